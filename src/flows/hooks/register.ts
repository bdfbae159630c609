/** Registers our hooks with one container, for runtimes that read no hooks.d: runc and crun. */
import { isUtf8 } from 'node:buffer';
import { bounds } from '../../base/bounds.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { parseBundle } from '../../oci/bundle.js';
import { registerHooks, type Stanza } from '../../oci/registered-hooks.js';
import type { Context } from '../context.js';

export interface Registered {
  /** The real path of the bundle's config.json. */
  config: string;
  changed: boolean;
  /** At which stages a hook of ours is registered now. */
  stages: string[];
}

/**
 * @param installed the config-hooks.json of this installation; undefined takes our hooks out
 * @throws BAD_INPUT where BUNDLE has no config.json, or one that no runtime would accept
 */
export function register(context: Context, bundle: string, installed: string | undefined): Registered {
  const { files } = context.host;
  const stanza = installed === undefined ? {} : readStanza(context, installed);
  const config = `${files.realPath(bundle)}/config.json`;
  const action = `cannot register hooks in ${config}`;
  const before = read(
    context,
    config,
    action,
    '; a bundle is the folder that has it, and the root file system',
  );
  const after = registerHooks(before, config, stanza);
  const changed = after !== before;
  try {
    if (changed) files.replace(config, Buffer.from(after));
  } catch (error) {
    throw translate(error, 'IO', config, `cannot write ${config}`);
  }
  return { config, changed, stages: Object.keys(stanza) };
}

function readStanza(context: Context, path: string): Stanza {
  const text = read(context, path, `cannot read the hooks of this installation`);
  const { hooks } = parseBundle(text.replace('{', '{"ociVersion": "any",'), path);
  if (hooks?.poststop === undefined)
    throw new GhostkeepError('BAD_INPUT', path, `cannot register hooks: ${path} has none; install again`);
  return hooks as Stanza;
}

/**
 * Reads a text. Bytes that are not UTF-8 are refused, because the text is written again and they would be
 * changed.
 */
function read({ host: { files } }: Context, path: string, action: string, whereItIs = ''): string {
  try {
    const bytes = files.read(path, bounds.bundle);
    if (isUtf8(bytes)) return bytes.toString('utf8');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw translate(error, 'BAD_INPUT', path, action);
    const reason = `there is no such file${whereItIs}`;
    throw new GhostkeepError('BAD_INPUT', path, `${action}: ${reason}`, { cause: error });
  }
  throw new GhostkeepError('BAD_INPUT', path, `${action}: it is not UTF-8`);
}

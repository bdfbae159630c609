/** The bundle whose hooks are tried: the user's, or one with ghostkeep's own hooks as they are registered. */
import { bounds } from '../../base/bounds.js';
import { GhostkeepError, translate } from '../../base/errors.js';
import { type Bundle, type BundleHook, parseBundle } from '../../oci/bundle.js';
import { hookLogVariable, renderHook, renderHookDocument } from '../../oci/hooks-d.js';
import { annotationPrefix } from '../../oci/policy.js';
import type { TestbedContext } from './testbed-context.js';

export interface TriedBundle {
  /** Absolute. */
  path: string;
  config: Bundle;
}

interface Stanza {
  hooks: Record<'prestart' | 'poststop', BundleHook[]>;
}

/** @throws BAD_INPUT, NOT_FOUND */
export function readBundle({ host: { files }, testbed }: TestbedContext, folder: string): TriedBundle {
  const path = files.realPath(folder);
  const file = `${path}/config.json`;
  let text: string;
  try {
    text = files.read(file, bounds.bundle).toString('utf8');
  } catch (error) {
    throw translate(error, 'BAD_INPUT', file, `cannot read the bundle's ${file}`);
  }
  const config = parseBundle(text, file);
  const hooks = config.hooks ?? {};
  if (!hooks.prestart?.length && !hooks.createRuntime?.length)
    throw incomplete(file, 'prestart or createRuntime');
  if (!hooks.poststop?.length) throw incomplete(file, 'poststop');
  for (const hook of [...(hooks.prestart ?? []), ...(hooks.createRuntime ?? []), ...hooks.poststop]) {
    if (!testbed.isExecutable(hook.path)) {
      const why = files.exists(hook.path) ? 'is no file that may be executed' : 'is not there';
      throw new GhostkeepError(
        'BAD_INPUT',
        hook.path,
        `cannot try the hooks of ${file}: ${hook.path} ${why}`,
      );
    }
  }
  return { path, config };
}

/**
 * Makes a bundle with the hooks as install.sh registers them, but inside the bundle: nothing outside of it is
 * needed or changed, and their log lies in it, too.
 */
export function makeBundle(context: TestbedContext, path: string): TriedBundle {
  const { testbed } = context;
  const { hooks } = JSON.parse(renderHookDocument(template(context, 'config-hooks.json'), path)) as Stanza;
  const env = [`${hookLogVariable}=${path}/hooks.log`];
  const withLog = (list: BundleHook[]) => list.map(hook => ({ ...hook, env }));
  const libexec = `${path}/libexec/ghostkeep`;
  testbed.write(`${libexec}/hook`, part(context, 'build', 'ghostkeep-hook'), 0o755);
  for (const name of ['prestart', 'poststop'])
    testbed.write(`${libexec}/${name}`, renderHook(template(context, name), testbed.ownCommand()), 0o755);
  const config = {
    ociVersion: '1.0.2',
    process: { args: ['/ghost-workload'], cwd: '/', user: { uid: 0, gid: 0 } },
    root: { path: 'rootfs' },
    annotations: { [`${annotationPrefix}enabled`]: 'true' },
    hooks: { prestart: withLog(hooks.prestart), poststop: withLog(hooks.poststop) },
  };
  testbed.write(`${path}/config.json`, `${JSON.stringify(config, null, 2)}\n`, 0o644);
  context.host.files.makeDirectory(`${path}/rootfs`);
  return readBundle(context, path);
}

function template(context: TestbedContext, name: string): string {
  return part(context, 'hooks', name).toString('utf8');
}

function part({ host, testbed }: TestbedContext, folder: string, name: string): Buffer {
  const file = testbed.findBeside(folder, name);
  if (file !== undefined) return host.files.read(file, bounds.ownParts);
  throw new GhostkeepError(
    'NOT_FOUND',
    `${folder}/${name}`,
    `cannot find ${folder}/${name} beside the program: the installation is not complete; name a bundle with --bundle`,
  );
}

function incomplete(file: string, what: string): GhostkeepError {
  return new GhostkeepError(
    'BAD_INPUT',
    file,
    `cannot try the hooks of ${file}: its hooks stanza has no ${what}; ghostkeep's stanza is in hooks/config-hooks.json`,
  );
}

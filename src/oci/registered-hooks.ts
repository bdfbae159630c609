/** Our hooks in the text of a bundle's config.json, whose other parts are not ours and stay as they are. */
import { isDeepStrictEqual } from 'node:util';
import { type JSONValue, parse, stringify } from 'lossless-json';
import { GhostkeepError } from '../base/errors.js';
import { type BundleHook, parseBundle } from './bundle.js';

/**
 * The stages at which a hook of ours may be registered: prestart or createRuntime, never both, and poststop.
 */
const stages = ['prestart', 'createRuntime', 'poststop'] as const;
type Stage = (typeof stages)[number];
export type Stanza = Partial<Record<Stage, BundleHook[]>>;

/**
 * Puts the hooks of STANZA into the text of a config.json, behind the hooks of others. Hooks of ours from
 * another installation or at another stage are replaced. With an empty STANZA they are taken out.
 * Numbers keep their digits, because RLIM_INFINITY, for example, is more than JavaScript's numbers hold.
 * @param path for messages
 * @returns TEXT itself where nothing is to be changed
 * @throws BAD_INPUT for a text that is no config.json
 */
export function registerHooks(text: string, path: string, stanza: Stanza): string {
  const { hooks: before = {} } = parseBundle(text, path);
  assertOneSpelling(text, path);
  const changed = stages.filter(stage => !isDeepStrictEqual(mine(before[stage]), stanza[stage] ?? []));
  if (changed.length === 0) return text;
  const config = parseLossless(text, path);
  const hooks = (config.hooks ?? {}) as Record<string, JSONValue[] | undefined>;
  for (const stage of changed) {
    const others = (hooks[stage] ?? []).filter((_, index) => !isOurs(before[stage]?.[index]));
    const all = [...others, ...((stanza[stage] ?? []) as unknown as JSONValue[])];
    if (all.length > 0) hooks[stage] = all;
    else delete hooks[stage];
  }
  if (Object.keys(hooks).length > 0) config.hooks = hooks as JSONValue;
  else delete config.hooks;
  return `${stringify(config, undefined, indentOf(text))}\n`;
}

/**
 * runc reads "Hooks" as hooks, because Go compares keys without regard to case, and crun does not. So what
 * such a text means depends on the runtime, and a hook of ours beside it might run twice or never.
 * Source: Go, encoding/json (foldName)
 */
function assertOneSpelling(text: string, path: string): void {
  const config = JSON.parse(text) as Record<string, unknown>;
  const known: readonly string[] = ['hooks', ...stages];
  for (const key of [...Object.keys(config), ...Object.keys(config['hooks'] ?? {})]) {
    const meant = known.find(name => name !== key && fold(name) === fold(key));
    if (meant === undefined) continue;
    const reason = `runc reads ${JSON.stringify(key)} as "${meant}", and crun does not`;
    const wayOut = `write "${meant}"`;
    throw new GhostkeepError('BAD_INPUT', path, `cannot register hooks in ${path}: ${reason}; ${wayOut}`);
  }
}

/** Folds a key as Go does. Two letters of Unicode become ASCII letters: the long s and the Kelvin sign. */
const fold = (key: string) => key.toUpperCase().toLowerCase();

/** The paths that install.sh gives the programs of our hooks, under any prefix. */
const ourProgram = /\/libexec\/ghostkeep\/(hook|prestart|poststop)$/;

const isOurs = (hook: BundleHook | undefined) => hook !== undefined && ourProgram.test(hook.path);
const mine = (hooks: readonly BundleHook[] = []) => hooks.filter(isOurs);

function parseLossless(text: string, path: string): Record<string, JSONValue> {
  try {
    return parse(text) as Record<string, JSONValue>;
  } catch (cause) {
    // JSON.parse has accepted the text, so the fault must be a key that the text has twice.
    const reason = (cause as Error).message;
    throw new GhostkeepError('BAD_INPUT', path, `cannot register hooks in ${path}: ${reason}`, { cause });
  }
}

/** `runc spec` indents by tabs. A text in one line stays in one. */
const indentOf = (text: string) => /\n([\t ]+)"/.exec(text)?.[1];

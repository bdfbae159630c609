/**
 * The files from which a runtime finds our hooks, and the programs that it then runs, made from the templates
 * in hooks/.
 */
import { parseDocument } from '../base/documents/document.js';
import type { HooksD } from '../base/documents/generated/hooks-d.js';
import { GhostkeepError, reasonOf } from '../base/errors.js';

export type { HooksD };

/**
 * This variable in a hook's environment names the file that the hook logs to, in place of the host's log. A
 * trial sets it, so that the trial leaves nothing in the host's log.
 */
export const hookLogVariable = 'GHOSTKEEP_HOOK_LOG';

/**
 * Parses a hooks.d file. A file that Podman cannot accept makes every `podman run` on the host fail, so we
 * compile its patterns, too. Source: oci-hooks(5), schema 1.0.0. @throws BAD_INPUT naming every field that is
 * wrong
 */
export function parseHooksD(text: string, path: string): HooksD {
  const document = parseDocument<HooksD>('HooksD', text, path, 'BAD_INPUT');
  const { annotations = {}, commands = [] } = document.when;
  for (const pattern of [...Object.keys(annotations), ...Object.values(annotations), ...commands]) {
    if (pattern !== undefined) assertPattern(pattern, path);
  }
  return document;
}

/**
 * Makes the program of a hook from its template (hooks/prestart, hooks/poststop).
 * @param command the words that start ghostkeep
 * @throws BAD_INPUT for a name that is not absolute: a hook starts with no PATH and in an unknown directory
 */
export function renderHook(template: string, command: readonly string[]): string {
  return fill(template, { COMMAND: command.map(quoted).join(' ') });
}

/** The stages at which a runtime may start the prestart hook: one moment with two names. */
export type StartStage = 'prestart' | 'createRuntime';

/** Makes the hooks.d file, or the stanza for a bundle's config.json, of hooks installed under `prefix`. */
export function renderHookDocument(template: string, prefix: string, stage: StartStage = 'prestart'): string {
  assertAbsolute(prefix);
  return fill(template, { PREFIX: JSON.stringify(prefix).slice(1, -1), STAGE: stage });
}

/**
 * Replaces the placeholders of a template. One without a value is an error: we would install a hook that
 * cannot start.
 */
function fill(template: string, values: Record<string, string>): string {
  return template.replaceAll(/@([A-Z]+)@/g, (placeholder, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new GhostkeepError(
        'BAD_INPUT',
        placeholder,
        `cannot fill in the hook template: nothing stands for ${placeholder}`,
      );
    }
    return value;
  });
}

function quoted(path: string): string {
  assertAbsolute(path);
  return `'${path.replaceAll("'", "'\\''")}'`;
}

function assertAbsolute(path: string): void {
  if (!/^\/[^\0\n]*$/.test(path)) {
    throw new GhostkeepError(
      'BAD_INPUT',
      path,
      `cannot fill in the hook template: ${JSON.stringify(path)} is not an absolute path`,
    );
  }
}

function assertPattern(pattern: string, path: string): void {
  try {
    new RegExp(pattern);
  } catch (cause) {
    throw new GhostkeepError('BAD_INPUT', path, `cannot accept ${path}: when: ${reasonOf(cause)}`, { cause });
  }
}

/**
 * What a runtime reads to find our hooks, and the programs it then runs: made from the templates in hooks/.
 */
import { parseDocument } from '../base/documents/document.js';
import type { HooksD } from '../base/documents/generated/hooks-d.js';
import { GhostkeepError, reasonOf } from '../base/errors.js';

export type { HooksD };

/** In a hook's environment: where its log goes instead of the host's. A trial sets it, and leaves nothing on the host. */
export const hookLogVariable = 'GHOSTKEEP_HOOK_LOG';

/** The absolute names that a hook program starts, with nothing looked up in PATH. */
export interface HookCommand {
  node: string;
  /** dist/ghostkeep.mjs */
  program: string;
}

/**
 * A hooks.d file. One that Podman cannot accept makes every `podman run` on the host fail, so patterns are
 * compiled too. Source: oci-hooks(5), schema 1.0.0. @throws BAD_INPUT naming every field that is wrong
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
 * The program of a hook from its template (hooks/prestart, hooks/poststop).
 * @throws BAD_INPUT for a name that is not absolute: a hook starts with no PATH and in an unknown directory
 */
export function renderHook(template: string, { node, program }: HookCommand): string {
  return fill(template, { NODE: quoted(node), PROGRAM: quoted(program) });
}

/** The hooks.d file, or the stanza for a bundle's config.json, of hooks installed under `prefix`. */
export function renderHookDocument(template: string, prefix: string): string {
  assertAbsolute(prefix);
  return fill(template, { PREFIX: JSON.stringify(prefix).slice(1, -1) });
}

/** A template with a name nobody fills in would install a hook that cannot start. */
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

/** The template's own single quotes stand around it. */
function quoted(path: string): string {
  assertAbsolute(path);
  return path.replaceAll("'", "'\\''");
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

import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { countFromJson } from '../../base/units.js';
import { type Ghost, pathOf } from '../../ghost/ghost.js';

/**
 * Pairs an entry of the manifest with a restored file if neither of them fits any other. Takes linear time:
 * there may be 10,000 of each, and the processes are stopped.
 */
export function matchRestored(
  entries: readonly ManifestGhost[],
  restored: readonly Ghost[],
): { found: Ghost; entry: ManifestGhost }[] {
  const entriesAt = new Map<string, Set<ManifestGhost>>();
  for (const entry of entries) {
    for (const mark of marksOf(entry)) {
      const same = entriesAt.get(mark);
      if (same) same.add(entry);
      else entriesAt.set(mark, new Set([entry]));
    }
  }
  const filesAt = new Map<string, number>();
  const candidates = restored.filter(found => found.class !== 'linked');
  for (const found of candidates) filesAt.set(markOf(found), (filesAt.get(markOf(found)) ?? 0) + 1);
  return candidates.flatMap(found => {
    const [entry, ...others] = entriesAt.get(markOf(found)) ?? [];
    if (!entry || others.length > 0) return [];
    const files = marksOf(entry).reduce((sum, mark) => sum + (filesAt.get(mark) ?? 0), 0);
    return files === 1 ? [{ found, entry }] : [];
  });
}

function markOf(found: Ghost): string {
  return `${found.stat.size} ${pathOf(found).toString('latin1')}`;
}

/**
 * The marks of a ghost: its size and a name that it may be open by. If a live file has the name by now, CRIU
 * opens the ghost as `NAME.cr_link`, so there is a mark with each of the two. Source: CRIU files-reg.c,
 * open_path.
 */
function marksOf({ linked, size, paths }: ManifestGhost): string[] {
  if (linked) return [];
  const names = paths.map(place => pathFromText(place).toString('latin1'));
  return [...new Set(names.flatMap(name => [name, `${name}.cr_link`]))].map(
    name => `${countFromJson(size)} ${name}`,
  );
}

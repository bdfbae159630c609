/**
 * The order of entries in remap-fpath.img. At restore CRIU makes the ghosts in this order, and when every
 * file is open it removes the names it made for them in the same order: unlink for a file, rmdir for a
 * folder. A folder must therefore come after everything that CRIU would put into it. If an entry comes before
 * the entry of its folder, CRIU makes that ghost in the nearest folder above that exists, and links it to its
 * own path when it opens it. Source: CRIU files-reg.c, prepare_remaps, create_ghost_dentry, rfi_remap and
 * try_clean_remaps.
 */
import { groupBy } from '../base/group-by.js';

/**
 * An entry to be ordered. FOLDER is the ghost's path where the ghost is a folder itself, with a character for
 * each byte.
 */
export interface Remapped<T> {
  entry: T;
  ours: boolean;
  folder: string | undefined;
}

/**
 * Orders our ghosts first, then CRIU's ghosts that are no folders, then folders, each after those inside it.
 */
export function orderRemaps<T>(remaps: readonly Remapped<T>[]): T[] {
  const files = remaps.filter(({ folder }) => folder === undefined);
  const folders = groupBy(
    remaps,
    ({ folder }) => folder,
    ({ entry }) => entry,
  );
  return [
    ...files.filter(({ ours }) => ours).map(({ entry }) => entry),
    ...files.filter(({ ours }) => !ours).map(({ entry }) => entry),
    ...innermostFirst([...folders.keys()]).flatMap(path => folders.get(path) ?? []),
  ];
}

/** Paths stay in their order, except that each comes after all paths below it. */
function innermostFirst(paths: readonly string[]): string[] {
  const inside = childrenOf(paths);
  const placed = new Set<string>();
  const ordered: string[] = [];
  const place = (path: string) => {
    if (placed.has(path)) return;
    placed.add(path);
    for (const child of inside.get(path) ?? []) place(child);
    ordered.push(path);
  };
  for (const path of paths) place(path);
  return ordered;
}

/** For each of PATHS that has others below it: the paths whose nearest ancestor it is. */
function childrenOf(paths: readonly string[]): Map<string, string[]> {
  const above: string[] = [];
  // With a slash at its end a path sorts just before all paths below it.
  const pairs = paths
    .map(path => `${path}/`)
    .sort()
    .map(path => {
      while (above.length > 0 && !path.startsWith(above.at(-1) as string)) above.pop();
      const parent = above.at(-1);
      above.push(path);
      return { path, parent };
    });
  return groupBy(
    pairs,
    ({ parent }) => parent?.slice(0, -1),
    ({ path }) => path.slice(0, -1),
  );
}

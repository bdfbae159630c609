/** Finds for each ghost of a checkpoint the ghost of an earlier one that was the same file. */
import type { ManifestGhost } from '../base/documents/generated/manifest.js';

/**
 * The same file has the same device, inode number and time of birth. A number is used again when its file is
 * gone; the time of birth tells the two apart, and where the file system has none, the path must be the same.
 * A container that was restored in between has new inodes, so a ghost that has no such partner is paired by
 * its path, where that leaves no choice. A wrong pair costs time and room, never a byte, because whoever uses
 * a pair compares bytes.
 */
export function pairGhosts(
  ghosts: readonly ManifestGhost[],
  earlier: readonly ManifestGhost[],
): Map<ManifestGhost, ManifestGhost> {
  const pairs = new Map<ManifestGhost, ManifestGhost>();
  const byFile = new Map(earlier.map(ghost => [fileOf(ghost), ghost]));
  for (const ghost of ghosts) {
    const other = byFile.get(fileOf(ghost));
    if (other) pairs.set(ghost, other);
  }
  const taken = new Set(pairs.values());
  const before = byPath(earlier.filter(ghost => !taken.has(ghost)));
  for (const [path, [ghost, ...more]] of byPath(ghosts.filter(each => !pairs.has(each)))) {
    const [other, ...others] = before.get(path) ?? [];
    if (ghost && other && more.length === 0 && others.length === 0) pairs.set(ghost, other);
  }
  return pairs;
}

const fileOf = ({ dev, ino, birth, ...ghost }: ManifestGhost) => `${dev} ${ino} ${birth ?? pathOf(ghost)}`;

const pathOf = ({ path, pathBytes }: Pick<ManifestGhost, 'path' | 'pathBytes'>) => pathBytes ?? path;

function byPath(ghosts: readonly ManifestGhost[]): Map<string, ManifestGhost[]> {
  const paths = new Map<string, ManifestGhost[]>();
  for (const ghost of ghosts) {
    const path = pathOf(ghost);
    const there = paths.get(path);
    if (there) there.push(ghost);
    else paths.set(path, [ghost]);
  }
  return paths;
}

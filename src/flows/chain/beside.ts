/**
 * A directory's list of children may be lost, or may come from a stranger, so the directories beside it
 * count, too.
 */
import path from 'node:path';
import type { Files } from '../../base/host/host.js';
import { manifestExists, readManifest } from '../../image/manifest.js';

/** The directories beside WHERE whose manifest names its checkpoint as their parent. @returns real paths */
export const childrenBeside = (files: Files, where: string): string[] =>
  neighbours(files, where).filter(name => namesAsParent(files, name, where));

/** No more neighbours than this are looked at. */
const mostNeighbours = 10_000;

export function neighbours(files: Files, where: string): string[] {
  const folder = path.dirname(where);
  const names = files.list(folder).slice(0, mostNeighbours);
  return names.map(name => path.join(folder, name)).filter(name => name !== where);
}

/**
 * Does the manifest in DIRECTORY name the checkpoint in WHERE as its parent? A directory whose manifest
 * cannot be read cannot be restored either, so it does not count.
 */
function namesAsParent(files: Files, directory: string, where: string): boolean {
  try {
    if (!manifestExists(files, directory)) return false;
    const { parent } = readManifest(files, directory);
    if (!parent) return false;
    const isHere = files.realPath(path.resolve(files.realPath(directory), parent.path)) === where;
    // If the times differ, it needs an earlier checkpoint that was in WHERE and is lost.
    return isHere && readManifest(files, where).created === parent.created;
  } catch {
    return false;
  }
}

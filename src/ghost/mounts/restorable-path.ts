import { randomBytes } from 'node:crypto';
import { errnoOf } from '../../base/errors.js';
import { looksSilly } from '../../base/filesystems.js';
import { isDirectory } from '../../base/host/file-type.js';
import type { ProcessView } from '../../base/host/host.js';
import type { Ghost, GhostMount } from '../ghost.js';
import type { MountTree } from './cover.js';

/**
 * CRIU makes a ghost again as PATH.cr.ID.ghost (the ID has at most eight hexadecimal digits), below a
 * temporary folder of its own, and links it to PATH, or to PATH.cr_link where PATH is taken. Source: CRIU
 * files-reg.c, open_remap_ghost and open_path.
 */
const longestName = 255 - '.cr.01234567.ghost'.length;
const longestPath = 3840;

export interface Held {
  ghost: Ghost;
  mount: GhostMount & { mountPoint: Buffer };
}

/**
 * Note a path by which CRIU can make a ghost again, where the ghost's own path will not do. If the name
 * belongs to another file by now, or is too long for the suffix that CRIU adds, we choose another name in the
 * same folder. We choose a name in the root of the mount in three cases: another mount hides the folder, its
 * path is a file or a link by now, or the new path would be too long. A folder that is only gone does no
 * harm, because CRIU then uses the nearest folder above it. Ghosts have no name after restore, so any free
 * name will do. It has 96 random bits, which a process that fills the mount cannot foresee.
 *
 * A removed folder, too, needs a name that is free and that no other removed folder has: CRIU makes it again
 * by its own path, uses what is there if the name is taken, and removes that name at the end. So the restore
 * would remove an empty folder of somebody else's, and fail at any other file.
 * @param root a process with the namespace's own root; undefined where paths cannot or must not be looked at
 */
export function noteRestorablePaths(
  processes: ProcessView,
  tree: MountTree,
  root: number | undefined,
  held: readonly Held[],
): void {
  for (const { folder, held: inside } of byFolder(held)) {
    const paths = choosePaths(processes, tree, root, folder, inside);
    inside.forEach(({ mount }, index) => {
      const path = paths[index];
      if (path) mount.restorable = path;
    });
  }
}

interface InFolder {
  id: number;
  folder: Buffer;
  held: Held[];
}

/**
 * Groups the ghosts by folder, so that the caller looks at each folder once, even for ten thousand ghosts in
 * it. We first try the folder of the previous ghost, because most ghosts are in the same one.
 */
function byFolder(held: readonly Held[]): InFolder[] {
  const folders = new Map<string, InFolder>();
  let last: InFolder | undefined;
  for (const each of held) {
    const { id, path } = each.mount;
    const folder = path.subarray(0, path.lastIndexOf('/'));
    if (last?.id !== id || !last.folder.equals(folder)) {
      const key = `${id} ${folder.toString('latin1')}`;
      last = folders.get(key) ?? { id, folder, held: [] };
      folders.set(key, last);
    }
    last.held.push(each);
  }
  // The mount of a single file has no folder to make a file in.
  return [...folders.values()].filter(({ held: [first] }) => first && isBelow(first.mount));
}

/** @returns undefined where a ghost's own path will do */
function choosePaths(
  processes: ProcessView,
  tree: MountTree,
  root: number | undefined,
  folder: Buffer,
  held: readonly Held[],
): (Buffer | undefined)[] {
  const { id, path, mountPoint } = (held[0] as Held).mount;
  if (tree.hidesFolder(id, path)) return held.map(() => pathIn(mountPoint));
  const areFree = (names: readonly Buffer[]) =>
    names.length === 0 ? [] : freeNames(processes, root, id, mountPoint, folder, names);
  const free = areFree(held.map(({ mount }) => mount.path.subarray(folder.length + 1)));
  const folders = new Set<string>();
  const isGood = ({ ghost, mount }: Held, index: number) => {
    if (mount.path.length > longestPath) return false;
    if (isDirectory(ghost.stat.mode))
      return free[index] === true && folders.size < folders.add(mount.path.toString('latin1')).size;
    // A silly-renamed ghost may itself have the name that is taken, and then the name will do. If FUSE
    // renamed the ghost, the kernel shows the name it was opened by, and another file may have that name.
    const isUsable = free[index] === true || (ghost.class === 'silly-renamed' && looksSilly(mount.path));
    return isUsable && mount.path.length - folder.length - 1 <= longestName;
  };
  const others = held.map((each, index) => (isGood(each, index) ? undefined : pathIn(folder)));
  const wanted = others.filter(other => other !== undefined);
  const usable = areFree(wanted.map(other => other.subarray(withSlash(folder).length)));
  let next = 0;
  return others.map(other => {
    if (!other) return undefined;
    return usable[next++] === true && other.length <= longestPath ? other : pathIn(mountPoint);
  });
}

/** Tells which of NAMES are free. Where this cannot be found out, all count as free and CRIU has to try. */
function freeNames(
  processes: ProcessView,
  root: number | undefined,
  mountId: number,
  mountPoint: Buffer,
  folder: Buffer,
  names: readonly Buffer[],
): boolean[] {
  if (root === undefined) return names.map(() => true);
  try {
    return processes.areFree(root, mountId, mountPoint, folder, names);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return names.map(() => true);
  }
}

function withSlash(folder: Buffer): Buffer {
  return folder.at(-1) === 0x2f ? folder : Buffer.concat([folder, Buffer.from('/')]);
}

function isBelow({ path, mountPoint }: Held['mount']): boolean {
  const root = withSlash(mountPoint);
  return path.subarray(0, root.length).equals(root);
}

function pathIn(folder: Buffer): Buffer {
  return Buffer.concat([withSlash(folder), Buffer.from(`.ghostkeep-${randomBytes(12).toString('hex')}`)]);
}

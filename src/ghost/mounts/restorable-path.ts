import { randomBytes } from 'node:crypto';
import { errnoOf } from '../../base/errors.js';
import { looksSilly } from '../../base/filesystems.js';
import type { ProcessView } from '../../base/host/host.js';
import type { Ghost, GhostMount } from '../ghost.js';
import type { MountTree } from './cover.js';

/**
 * CRIU makes a ghost again as PATH.cr.ID.ghost (eight hexadecimal digits at most), below a temporary folder
 * of its own, and links it to PATH, or PATH.cr_link where that is taken. Source: CRIU files-reg.c,
 * open_remap_ghost and open_path.
 */
const longestName = 255 - '.cr.01234567.ghost'.length;
const longestPath = 3840;

export interface Held {
  ghost: Ghost;
  mount: GhostMount & { mountPoint: Buffer };
}

/**
 * Note a path that CRIU can make a ghost by where its own will not do. Where the name is another file's by
 * now, or too long for what CRIU appends, it is another name in the same folder: the container could write
 * there. Where the folder is hidden by another mount or is none any more, it is one in the root of the mount.
 * Ghosts have no name after restore, so any will do that nobody else has: 96 bits of chance, which whoever
 * fills the mount cannot foresee.
 * @param root a process with the namespace's own root; undefined: paths cannot or must not be looked at
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

/** One look at a folder is enough for ten thousand ghosts, and most have the folder of the one before. */
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
  // The mount of a single file has no folder to put anything in.
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
  const isGood = ({ ghost, mount }: Held, index: number) =>
    // A silly-renamed one may have its name itself; one that FUSE renamed goes by the name it was opened by.
    (free[index] === true || (ghost.class === 'silly-renamed' && looksSilly(mount.path))) &&
    mount.path.length - folder.length - 1 <= longestName &&
    mount.path.length <= longestPath;
  const others = held.map((each, index) => (isGood(each, index) ? undefined : pathIn(folder)));
  const wanted = others.filter(other => other !== undefined);
  const usable = areFree(wanted.map(other => other.subarray(withSlash(folder).length)));
  let next = 0;
  return others.map(other => {
    if (!other) return undefined;
    return usable[next++] === true && other.length <= longestPath ? other : pathIn(mountPoint);
  });
}

/** Where that cannot be found out, CRIU has to try. */
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

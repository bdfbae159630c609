/** Where what a container's mount shows is on this host: on a mount of ours of the same file system. */
import type { Mount, ProcessView } from '../../base/host/host.js';
import type { GhostMount } from '../ghost.js';

export interface OnHost {
  mount: Mount;
  /** Relative to the mount point, empty for itself. */
  name: Buffer;
}

/** @param path absolute, as NAMES of a ghost's mount are. @returns undefined where none of OURS shows it */
export function findOnHost(ours: readonly Mount[], where: GhostMount, path: Buffer): OnHost | undefined {
  const { mountPoint, root, dev } = where;
  const below = mountPoint && pathBelow(mountPoint, path);
  if (!root || below === undefined) return undefined;
  const inFilesystem = join(root, below);
  const places = ours.flatMap(mount => {
    const name = mount.dev === dev && mount.root && !mount.rootGone && pathBelow(mount.root, inFilesystem);
    return name ? [{ mount, name }] : [];
  });
  // The shortest name is through the fewest folders that something may hide.
  return places.sort((a, b) => a.name.length - b.name.length)[0];
}

/**
 * The file system of an overlay's upper layer, where UPPER is a folder of ours: without a look at any folder
 * above a mount that may not answer. Who mounted it in a namespace of its own may have meant another folder
 * by that path.
 */
export function filesystemOfUpper(
  processes: ProcessView,
  upper: Buffer,
  isTrusted: (filesystem: string) => boolean,
): string | undefined {
  // Where a path of all layers would be too long, engines mount by relative ones.
  if (upper[0] !== 0x2f) return undefined;
  const self = processes.self();
  let nearest: Mount | undefined;
  for (const mount of processes.mounts(self)) {
    if (pathBelow(mount.mountPoint, upper) === undefined) continue;
    // The last of one place is on top.
    if (mount.mountPoint.length >= (nearest?.mountPoint.length ?? 0)) nearest = mount;
  }
  const filesystem = nearest?.filesystem;
  if (filesystem === undefined || !isTrusted(filesystem)) return undefined;
  return processes.statInRoot(self, upper) ? filesystem : undefined;
}

/** PATH relative to FOLDER; undefined where it is not below it. */
function pathBelow(folder: Buffer, path: Buffer): Buffer | undefined {
  if (folder.length === 1) return path.subarray(1);
  if (!path.subarray(0, folder.length).equals(folder)) return undefined;
  if (path.length === folder.length) return Buffer.alloc(0);
  return path[folder.length] === 0x2f ? path.subarray(folder.length + 1) : undefined;
}

function join(folder: Buffer, name: Buffer): Buffer {
  if (name.length === 0) return folder;
  return Buffer.concat([folder, Buffer.from(folder.length === 1 ? '' : '/'), name]);
}

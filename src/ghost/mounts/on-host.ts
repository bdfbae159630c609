/** Finds a file of a container's mount on this host: on one of our own mounts of the same file system. */
import type { Mount, ProcessView } from '../../base/host/host.js';
import type { GhostMount } from '../ghost.js';

export interface OnHost {
  mount: Mount;
  /** Relative to the mount point; empty for the mount point itself. */
  name: Buffer;
}

/** @param path absolute, like the `names` of a GhostMount @returns undefined where none of OURS shows it */
export function findOnHost(
  ours: readonly Mount[],
  where: Pick<GhostMount, 'mountPoint' | 'root' | 'dev'>,
  path: Buffer,
): OnHost | undefined {
  const { mountPoint, root, dev } = where;
  const below = mountPoint && pathBelow(mountPoint, path);
  if (!root || below === undefined) return undefined;
  const inFilesystem = join(root, below);
  const places = ours.flatMap(mount => {
    const name = mount.dev === dev && mount.root && !mount.rootGone && pathBelow(mount.root, inFilesystem);
    return name ? [{ mount, name }] : [];
  });
  // We take the shortest name. It leads through the fewest folders, and another mount may hide any of these.
  return places.sort((a, b) => a.name.length - b.name.length)[0];
}

/**
 * The file system of an overlay's upper layer, where UPPER is a folder that we see. Nothing is looked at on a
 * mount that is not trusted, because its server may not answer. A process that mounted the overlay in a
 * namespace of its own may have meant another folder by the same path.
 */
export function filesystemOfUpper(
  processes: ProcessView,
  upper: Buffer,
  isTrusted: (filesystem: string) => boolean,
): string | undefined {
  // Engines use relative paths where a path of all layers would be too long.
  if (upper[0] !== 0x2f) return undefined;
  const self = processes.self();
  let nearest: Mount | undefined;
  for (const mount of processes.mounts(self)) {
    if (pathBelow(mount.mountPoint, upper) === undefined) continue;
    // If several mounts lie at one place, the last is on top.
    if (mount.mountPoint.length >= (nearest?.mountPoint.length ?? 0)) nearest = mount;
  }
  const filesystem = nearest?.filesystem;
  if (filesystem === undefined || !isTrusted(filesystem)) return undefined;
  return processes.statInRoot(self, upper) ? filesystem : undefined;
}

/** PATH relative to FOLDER; undefined where PATH is not below FOLDER. */
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

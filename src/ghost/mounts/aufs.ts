import type { Mount } from '../../base/host/host.js';

/**
 * For a mapped file on aufs, /proc shows a path in one of the branches below the mount. CRIU needs the name
 * that the file was opened by. Tested on fixtures only: src/host/proc/aufs.ts.
 */

const slash = 0x2f;

/**
 * Gives the name by which a file was opened. PATH, which the kernel shows, may lie in one of the branches of
 * MOUNT. If it lies in no branch, PATH is the name itself.
 */
export function openedAs(path: Buffer, { branches = [], mountPoint }: Mount): Buffer {
  const around = branches.filter(
    branch => path.subarray(0, branch.length).equals(branch) && path[branch.length] === slash,
  );
  // A branch lies in another one only if it was moved there later. Then the longest branch is the nearest.
  const [branch] = around.sort((a, b) => b.length - a.length);
  if (!branch) return path;
  const below = path.subarray(branch.length);
  return mountPoint.length === 1 ? below : Buffer.concat([mountPoint, below]);
}

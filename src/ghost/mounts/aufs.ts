import type { Mount } from '../../base/host/host.js';

/**
 * For a mapped file on aufs, /proc shows a path in one of the branches below the mount. CRIU needs the name
 * that the file was opened by. Tested on fixtures only: src/host/proc/aufs.ts.
 */

const slash = 0x2f;

/**
 * The name that a file was opened by whose PATH is in one of the branches of MOUNT. A path in no branch is
 * that name already.
 */
export function openedAs(path: Buffer, { branches = [], mountPoint }: Mount): Buffer {
  const around = branches.filter(
    branch => path.subarray(0, branch.length).equals(branch) && path[branch.length] === slash,
  );
  // Branches never lie in each other, except where one was moved later. The longest is then the nearest.
  const [branch] = around.sort((a, b) => b.length - a.length);
  if (!branch) return path;
  const below = path.subarray(branch.length);
  return mountPoint.length === 1 ? below : Buffer.concat([mountPoint, below]);
}

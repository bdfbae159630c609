import type { Mount } from '../../base/host/host.js';

/**
 * What a process on aufs has mapped is shown by /proc by its path in one of the branches below the mount, not
 * by the name it was opened by, which is what CRIU needs. Tested on fixtures only: src/host/proc/aufs.ts.
 */

const slash = 0x2f;

/**
 * The name that PATH, in one of the branches of MOUNT, was opened by; a path in none is that name already.
 */
export function openedAs(path: Buffer, { branches = [], mountPoint }: Mount): Buffer {
  const around = branches.filter(
    branch => path.subarray(0, branch.length).equals(branch) && path[branch.length] === slash,
  );
  // Branches never lie in each other, except where one was moved later: the longest is the nearest.
  const [branch] = around.sort((a, b) => b.length - a.length);
  if (!branch) return path;
  const below = path.subarray(branch.length);
  return mountPoint.length === 1 ? below : Buffer.concat([mountPoint, below]);
}

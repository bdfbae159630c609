import { errnoOf } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import type { Ghost } from '../ghost.js';

/**
 * Files that all searches of one scan may look at together: as long as that takes, everything may be frozen.
 */
export class SearchBudget {
  left = 20_000;
}

/**
 * Find the names that a linked ghost's inode still has, on each mount it is open through. By one of them CRIU
 * can open it again, where otherwise it would want --link-remap.
 * @returns false when the search had to be given up before the end
 */
export function findNames(processes: ProcessView, ghost: Ghost, budget: SearchBudget): boolean {
  let complete = true;
  for (const mount of ghost.mounts) {
    if (!mount.mountPoint) continue;
    try {
      // Paths are those of the mount namespace: a chrooted process would take them for its own.
      if (mount.viewer === undefined || budget.left <= 0) return false;
      const found = processes.namesOf(mount.viewer, mount.mountPoint, ghost.stat, mount.path, budget.left);
      budget.left -= found.looked;
      mount.names = found.names;
      complete &&= found.complete;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      complete = false;
    }
  }
  return complete;
}

import { errnoOf } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import type { Ghost } from '../ghost.js';

/**
 * How many files all searches of one scan may look at together, because everything may be frozen meanwhile.
 */
export class SearchBudget {
  left = 20_000;
}

/**
 * Find the names that a linked ghost's inode still has, on each mount it is open through. By such a name CRIU
 * can open it again; without one it would need --link-remap.
 * @returns false where the search was given up before the end
 */
export function findNames(processes: ProcessView, ghost: Ghost, budget: SearchBudget): boolean {
  let complete = true;
  for (const mount of ghost.mounts) {
    if (!mount.mountPoint) continue;
    try {
      // These paths are those of the mount namespace, so only a process with the namespace's own root can
      // look. A chrooted process would take them for paths below its own root.
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

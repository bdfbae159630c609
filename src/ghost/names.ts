import { errnoOf } from '../base/errors.js';
import type { ProcessView } from '../base/host.js';
import type { Ghost } from './ghost.js';

/** As long as this takes everything may be frozen: some 60 ms. */
const largestSearch = 20_000;

/**
 * Find the names that a linked ghost's inode still has, on each mount it is open through. By one of them CRIU can
 * open it again, where otherwise it would want --link-remap.
 * @returns false when the search had to be given up before the end
 */
export function findNames(processes: ProcessView, ghost: Ghost): boolean {
  let complete = true;
  for (const mount of ghost.mounts) {
    const holder = ghost.holders[0];
    if (!holder || !mount.mountPoint) continue;
    try {
      const found = processes.namesOf(holder.pid, mount.mountPoint, ghost.stat, mount.path, largestSearch);
      mount.names = found.names;
      complete &&= found.complete;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      complete = false;
    }
  }
  return complete;
}

import { errnoOf } from '../../base/errors.js';
import type { Mount } from '../../base/host/host.js';
import { showSome } from '../../base/text/show-some.js';
import type { Context } from '../context.js';

/**
 * Warns of mounts whose source is gone. A ghost on such a mount makes the checkpoint fail; without a ghost it
 * succeeds, although the restore may fail. @param pid of a process in the container's mount namespace
 */
export function warnOfGoneSources({ host: { processes }, log }: Context, pid: number): void {
  let mounts: Mount[];
  try {
    mounts = processes.mounts(pid);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return;
  }
  const gone = mounts.filter(({ rootGone }) => rootGone).map(({ mountPoint }) => mountPoint.toString('utf8'));
  if (gone.length === 0) return;
  log.warn(
    `the source of the mount at ${showSome(gone)} was removed or replaced: CRIU may not be able to restore the container unless it is there again`,
  );
}

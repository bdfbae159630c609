import { errnoOf } from '../../../base/errors.js';
import type { FileStat } from '../../../base/host/host.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

/**
 * Says whether our root folder is another one than the host's. Then CRIU, runtimes and settings are those of
 * a tree that no engine of the host may use.
 * @returns by what we know it; undefined if there is no sign of it. Whoever is not root may see none.
 */
export function chrootOf({ host }: TestbedContext): string | undefined {
  const rootOf = (path: string): FileStat | undefined => {
    try {
      return host.files.statPath(path);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  };
  // The dot makes lstat(2) follow the link.
  const [own, first] = [rootOf('/'), rootOf('/proc/1/root/.')];
  if (own && first && (own.dev !== first.dev || own.ino !== first.ino))
    return 'its root folder is not that of process 1';
  // The list of mounts shows those below the root folder, and the root folder itself only if something is
  // mounted on it. Source: proc_pid_mountinfo(5)
  const mounts = host.processes.mounts(host.processes.self());
  const isMounted = mounts.some(({ mountPoint }) => mountPoint.toString('latin1') === '/');
  return mounts.length === 0 || isMounted ? undefined : 'nothing is mounted on its root folder';
}

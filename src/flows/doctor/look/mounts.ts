/** On which file system a folder is, and whether the server of that file system answers. */
import { errnoOf } from '../../../base/errors.js';
import { mayHaveServer } from '../../../base/filesystems.js';
import type { Mount } from '../../../base/host/host.js';
import type { StageContext } from '../../try-hooks/stage-context.js';

/** The mount that FOLDER, an absolute path without links, is on. */
export function mountOf({ host }: StageContext, folder: string): Mount | undefined {
  let nearest: Mount | undefined;
  for (const mount of host.processes.mounts(host.processes.self())) {
    const point = mount.mountPoint.toString('utf8');
    const isAbove = point === '/' || folder === point || folder.startsWith(`${point}/`);
    // If several mounts lie at one place, the last is on top.
    if (isAbove && mount.mountPoint.length >= (nearest?.mountPoint.length ?? 0)) nearest = mount;
  }
  return nearest;
}

/**
 * Asks in a way that never waits for a file server that is dead.
 * @returns `silent` where a server on the way does not answer
 */
export function isThere({ host }: StageContext, path: string): 'yes' | 'no' | 'silent' {
  const { processes } = host;
  const self = processes.self();
  try {
    return processes.inTurn([self], () => processes.statInRoot(self, Buffer.from(path))) ? 'yes' : 'no';
  } catch (error) {
    if (errnoOf(error) === 'ETIMEDOUT') return 'silent';
    return 'no';
  }
}

/** Mounts of servers that do not answer now. */
export function silentMounts(context: StageContext): string[] {
  const { processes } = context.host;
  return processes
    .mounts(processes.self())
    .filter(({ filesystem }) => mayHaveServer(filesystem))
    .map(({ mountPoint }) => mountPoint.toString('utf8'))
    .filter(point => isThere(context, point) === 'silent');
}

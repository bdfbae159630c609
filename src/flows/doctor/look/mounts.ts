/** On which file system a folder is, and whether the server of that file system answers. */
import { mayHaveServer } from '../../../base/filesystems.js';
import type { Mount } from '../../../base/host/host.js';
import type { Context } from '../../context.js';
import { isThere } from '../../directory/is-there.js';

/** The mount that FOLDER, an absolute path without links, is on. */
export function mountOf({ host }: Context, folder: string): Mount | undefined {
  let nearest: Mount | undefined;
  for (const mount of host.processes.mounts(host.processes.self())) {
    const point = mount.mountPoint.toString('utf8');
    const isAbove = point === '/' || folder === point || folder.startsWith(`${point}/`);
    // If several mounts lie at one place, the last is on top.
    if (isAbove && mount.mountPoint.length >= (nearest?.mountPoint.length ?? 0)) nearest = mount;
  }
  return nearest;
}

/** Mounts of servers that do not answer now. */
export function silentMounts(context: Context): string[] {
  const { processes } = context.host;
  return processes
    .mounts(processes.self())
    .filter(({ filesystem }) => mayHaveServer(filesystem))
    .map(({ mountPoint }) => mountPoint.toString('utf8'))
    .filter(point => isThere(context, point) === 'silent');
}

/** Paths of cgroups, as /proc/PID/cgroup lists them, and as people copy them. Source: cgroups(7). */
import type { Host, Mount } from '../../base/host/host.js';

/**
 * The cgroup that TEXT names. People paste a line of /proc/PID/cgroup, or a path from `systemctl status` or
 * `systemd-cgls`, which has no slash at the beginning, or a folder below /sys/fs/cgroup. Runtimes note such a
 * folder, too. The mounts of this host say how much of the folder's path is the cgroup: a hierarchy of
 * version 1 has a mount of its own, and version 2 has one for all.
 */
export function cgroupPath({ processes }: Pick<Host, 'processes'>, text: string): string {
  const path = normalize(text.trim().replace(/^[0-9]+:[^:/]*:(?=\/)/, ''));
  const [nearest] = processes
    .mounts(processes.self())
    .filter(({ filesystem }) => filesystem === 'cgroup' || filesystem === 'cgroup2')
    .flatMap(mount => foldersOf(mount).map(folder => ({ folder, root: `${mount.root ?? ''}` })))
    .filter(({ folder }) => isIn(path, folder))
    .sort((a, b) => b.folder.length - a.folder.length);
  if (nearest) return normalize(`${nearest.root}/${path.slice(nearest.folder.length)}`);
  return normalize(path.replace(/^\/sys\/fs\/cgroup(?=\/|$)/, ''));
}

/**
 * The mount point and the paths that links give it: `/sys/fs/cgroup/cpu,cpuacct` usually has the symbolic
 * links `cpu` and `cpuacct` beside it.
 */
function foldersOf({ mountPoint }: Mount): string[] {
  const folder = mountPoint.toString('utf8');
  const slash = folder.lastIndexOf('/') + 1;
  return [
    folder,
    ...folder
      .slice(slash)
      .split(',')
      .map(each => folder.slice(0, slash) + each),
  ];
}

const normalize = (path: string) => `/${path.split('/').filter(Boolean).join('/')}`;

/** Is the cgroup PATH the cgroup PARENT, or below it? */
export function isIn(path: string, parent: string): boolean {
  return path === parent || path.startsWith(parent === '/' ? '/' : `${parent}/`);
}

/**
 * The cgroup PATH and those around it, the innermost first. The root is not among them, because it belongs to
 * no container.
 */
export function levelsOf(path: string): string[] {
  const parts = path.split('/').filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`);
}

/** A shell removes the backslashes of a name such as `dev-disk\x2dby.mount` that is not quoted. */
export function withoutBackslashes(path: string): string {
  return path.replaceAll('\\', '');
}

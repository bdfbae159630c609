/** Paths of cgroups, as /proc/PID/cgroup lists them, and as people copy them. Source: cgroups(7). */

/**
 * The paths that TEXT may stand for. People paste a folder below /sys/fs/cgroup (in version 1 the
 * controller's name comes first there), a line of /proc/PID/cgroup, or what `systemctl status` and
 * `systemd-cgls` print, which has no slash at the beginning.
 */
export function cgroupPaths(text: string): string[] {
  const pasted = text.trim().replace(/^[0-9]+:[^:/]*:(?=\/)/, '');
  const below = pasted.replace(/^\/sys\/fs\/cgroup(?=\/|$)/, '');
  const path = `/${below.split('/').filter(Boolean).join('/')}`;
  const isFolder = below !== pasted;
  // If nothing is left behind the first folder, that is the root cgroup, and all processes are in it.
  const withoutHierarchy = path.replace(/^\/[^/]+(?=\/)/, '');
  return isFolder ? [...new Set([path, withoutHierarchy])] : [path];
}

/** Is the cgroup PATH the cgroup PARENT, or below it? */
export function isIn(path: string, parent: string): boolean {
  return path === parent || path.startsWith(parent === '/' ? '/' : `${parent}/`);
}

/** A shell removes the backslashes of a name such as `dev-disk\x2dby.mount` that is not quoted. */
export function withoutBackslashes(path: string): string {
  return path.replaceAll('\\', '');
}

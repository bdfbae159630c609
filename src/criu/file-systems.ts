/**
 * File systems that CRIU can mount again where only the container has them mounted. It refuses a container
 * with a mount of any other type, unless the runtime says that the mount comes from outside. Source: CRIU
 * 4.2.1 filesystems.c (fstypes: btrfs has the code of an unsupported one, and fuse always fails), mount.c
 * (validate_mounts).
 */
const known = new Set([
  'proc',
  'sysfs',
  'devtmpfs',
  'binfmt_misc',
  'tmpfs',
  'devpts',
  'simfs',
  'pstore',
  'mqueue',
  'securityfs',
  'fusectl',
  'debugfs',
  'tracefs',
  'cgroup',
  'cgroup2',
  'aufs',
  'overlay',
  'autofs',
]);

/** @param filesystem as mountinfo names it */
export function canMountAgain(filesystem: string): boolean {
  return known.has(filesystem);
}

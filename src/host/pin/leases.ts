/**
 * A write lease (fcntl(2), F_SETLEASE) tells its holder when somebody opens the file, and the open waits
 * until the holder has answered. Even an open with O_NONBLOCK begins to break the lease, so we must know
 * before opening whether there is one.
 */
import fs from 'node:fs';

/**
 * A line of a lease that opening for reading would break. A read lease does not mind readers, unless somebody
 * is breaking it already. Source: fs/locks.c, lock_get_status().
 */
const leaseLine = /^\d+: LEASE\s+(?!ACTIVE\s+READ\b)\S+\s+\S+\s+-?\d+ ([0-9a-f]+:[0-9a-f]+):(\d+) /gm;
const leaseOfDescriptor = /^lock:\s*\d+: LEASE\s+(?!ACTIVE\s+READ\b)/m;

/**
 * Would opening this link of /proc break a lease? Only the holder's open file description leads to a file
 * with a write lease, and fdinfo shows the lease for each descriptor of that description. For a mapping we
 * look for the file in the kernel's list of locks, which names it in the same way as /proc/PID/maps.
 */
export function isLeased(link: string): boolean {
  const [, process = '', kind, which] = /^(\/proc\/[^/]+)\/(fd|map_files)\/(.*)$/.exec(link) ?? [];
  if (kind === 'fd') return leaseOfDescriptor.test(fs.readFileSync(`${process}/fdinfo/${which}`, 'latin1'));
  // Nobody can have a write lease on a file that is being executed, nor on a folder.
  if (kind !== 'map_files') return false;
  const leases = readLeases();
  if (leases.length === 0) return false;
  const maps = fs.readFileSync(`${process}/maps`, 'latin1');
  const mapping = new RegExp(`^0*${which?.replace('-', '-0*')} \\S+ \\S+ (\\S+) (\\d+) `, 'm').exec(maps);
  return leases.some(({ dev, ino }) => mapping?.[1] === dev && mapping[2] === ino);
}

/**
 * The files that have leases, with device and inode as the kernel's list names them, `08:01` and `131083`.
 * The list has the leases of our pid namespace and of those below it.
 */
export function readLeases(): { dev: string; ino: string }[] {
  const found = fs.readFileSync('/proc/locks', 'latin1').matchAll(leaseLine);
  return [...found].map(([, dev, ino]) => ({ dev: dev as string, ino: ino as string }));
}

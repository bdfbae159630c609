/**
 * A write lease (fcntl(2), F_SETLEASE) tells its holder of whoever opens the file, and lets nobody open it
 * before the holder has answered. Opening begins to break it, with O_NONBLOCK as well, so whether there is
 * one has to be known before.
 */
import fs from 'node:fs';

/**
 * Source: fs/locks.c, lock_get_status(). A lease for reading does not mind readers, unless somebody is
 * breaking it already.
 */
const leaseLine = /^\d+: LEASE\s+(?!ACTIVE\s+READ\b)\S+\s+\S+\s+-?\d+ ([0-9a-f]+:[0-9a-f]+):(\d+) /gm;
const leaseOfDescriptor = /^lock:\s*\d+: LEASE\s+(?!ACTIVE\s+READ\b)/m;

/**
 * Would opening a link of /proc break a lease? While there is one, no other open file description leads to
 * the file than the holder's, and each descriptor of that shows it in fdinfo. For a mapping, maps shows the
 * file as the list of locks has it.
 */
export function isLeased(link: string): boolean {
  const [, process = '', kind, which] = /^(\/proc\/[^/]+)\/(fd|map_files)\/(.*)$/.exec(link) ?? [];
  if (kind === 'fd') return leaseOfDescriptor.test(fs.readFileSync(`${process}/fdinfo/${which}`, 'latin1'));
  // Nobody can have a write lease on what is executed, nor on a folder.
  if (kind !== 'map_files') return false;
  const leases = readLeases();
  if (leases.length === 0) return false;
  const maps = fs.readFileSync(`${process}/maps`, 'latin1');
  const mapping = new RegExp(`^0*${which?.replace('-', '-0*')} \\S+ \\S+ (\\S+) (\\d+) `, 'm').exec(maps);
  return leases.some(({ dev, ino }) => mapping?.[1] === dev && mapping[2] === ino);
}

/**
 * As the kernel names the files, `08:01` and `131083`. It shows those of our pid namespace and of the ones
 * below it.
 */
export function readLeases(): { dev: string; ino: string }[] {
  const found = fs.readFileSync('/proc/locks', 'latin1').matchAll(leaseLine);
  return [...found].map(([, dev, ino]) => ({ dev: dev as string, ino: ino as string }));
}

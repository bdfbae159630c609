/**
 * Files that a process keeps although no descriptor or mapping of its own leads to them: in flight in a unix
 * socket, registered only with io_uring, or behind a loop device. They cannot be opened from outside, so they
 * can only be reported. CRIU handles such files itself, or refuses them. So in a checkpoint with CRIU this
 * search is not made, and no fdinfo is read for it while the container is frozen.
 */
import type { Unseen } from '../../base/documents/generated/scan.js';
import { errnoOf, reasonOf } from '../../base/errors.js';
import { looksSilly } from '../../base/filesystems.js';
import type { ProcessView } from '../../base/host/host.js';
import { unescapeOctal } from '../../base/text/octal.js';
import { pathToText } from '../../base/text/path-bytes.js';
import type { Ghost } from '../ghost.js';
import { looksDeleted, stripDeleted } from '../links.js';

/** Sockets, io_urings, inotify and fanotify of a process, or of a thread with descriptors of its own. */
export interface Carrier {
  pid: number;
  fds: readonly number[];
}

/** A block device that a process has open. */
export interface OpenDevice {
  pid: number;
  fd: number;
  rdev: bigint;
}

interface Searched {
  ghosts: readonly Ghost[];
  carriers: readonly Carrier[];
  devices: readonly OpenDevice[];
}

/** We read this much of an fdinfo. A ring may list a million files, each by a path of 4 KiB. */
const mostInfoBytes = 1024 * 1024;
const mostTries = 3;
const gone = new Set(['ENOENT', 'ESRCH', 'EBADF']);

/** @param alive called at every socket, as there may be many */
export function lookInside(
  processes: ProcessView,
  { ghosts, carriers, devices }: Searched,
  alive = () => {},
): Unseen[] {
  const held = countPaths(ghosts);
  const seen = new Set<string>();
  const found: Unseen[] = [];
  for (const { pid, fds } of carriers) {
    for (const fd of fds) {
      alive();
      const info = readInfo(processes, pid, fd, found);
      // Watches hold no file open, so they are left out. All of them share one inode number with other files
      // of the kernel's own, so the number below could not tell them apart.
      if (!isRing(info) && !info.includes('scm_fds: ')) continue;
      // Sockets shared by fork(2) or dup(2) are one and are listed once. Before 5.14 fdinfo has no inode
      // number.
      const ino = /^ino:\t(\d+)$/m.exec(info)?.[1];
      if (ino !== undefined && seen.size === seen.add(ino).size) continue;
      for (const one of inFlight(pid, fd, info)) found.push(one);
      for (const one of registered(pid, fd, info, held)) found.push(one);
    }
  }
  return [...found, ...behindLoops(processes, devices, held)];
}

/**
 * How many ghosts have each path. If a descriptor leads to a file, too, the file is among the ghosts, and
 * need not be reported.
 */
function countPaths(ghosts: readonly Ghost[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { mounts } of ghosts)
    for (const path of new Set(mounts.map(mount => mount.path.toString('latin1'))))
      counts.set(path, (counts.get(path) ?? 0) + 1);
  return counts;
}

function readInfo(processes: ProcessView, pid: number, fd: number, found: Unseen[]): string {
  try {
    let info = '';
    for (let tries = 0; tries < mostTries && (tries === 0 || lacksList(info)); tries += 1)
      info = processes.fdInfo(pid, fd, mostInfoBytes);
    return info;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (!gone.has(errno)) found.push({ pid, what: `fd ${fd}`, why: reasonOf(error) });
    return '';
  }
}

/**
 * True where the kernel may not have shown the files of a ring. While the ring is in use, the kernel shows
 * only how many they are. A list in which all places are empty looks the same.
 */
function lacksList(info: string): boolean {
  return isRing(info) && !/^UserFiles:\t(0\n|\d+\n *\d+: )/m.test(info);
}

function isRing(info: string): boolean {
  return /^SqMask:/m.test(info);
}

/** Source: net/unix/af_unix.c, unix_show_fdinfo (kernel 5.8 and later) */
function inFlight(pid: number, fd: number, info: string): Unseen[] {
  const count = Number(/^scm_fds: (\d+)$/m.exec(info)?.[1] ?? 0);
  if (count === 0) return [];
  const what = count === 1 ? 'a descriptor is' : `${count} descriptors are`;
  const why = `${what} in flight to this unix socket (SCM_RIGHTS), and the kernel does not say of which files`;
  return [{ pid, what: `fd ${fd}`, why, inside: 'unix socket' }];
}

/** Source: io_uring/fdinfo.c, __io_uring_show_fdinfo */
function registered(pid: number, fd: number, info: string, held: ReadonlyMap<string, number>): Unseen[] {
  if (!isRing(info)) return [];
  const ring = { pid, what: `fd ${fd}`, inside: 'io_uring' as const };
  const start = info.indexOf('\nUserFiles:\t');
  const end = info.indexOf('\nUserBufs:', start);
  const unsaid = 'the kernel does not say which files are registered with this io_uring';
  if (start < 0) return [{ ...ring, why: unsaid }];
  const names = new Map<string, number>();
  for (const [, name = ''] of info.slice(start, end < 0 ? undefined : end).matchAll(/^ *\d+: (.*)$/gm)) {
    const path = unescapeOctal(name);
    if (mayBeLost(path)) names.set(path, (names.get(path) ?? 0) + 1);
  }
  const lost = [...names].flatMap(([name, count]) => {
    const path = stripDeleted(Buffer.from(name, 'latin1'));
    if (count <= (held.get(path.toString('latin1')) ?? 0)) return [];
    return [
      { ...ring, why: 'registered with this io_uring, and no descriptor leads to it', ...pathToText(path) },
    ];
  });
  return end < 0 ? [...lost, { ...ring, why: `${unsaid}: there are too many` }] : lost;
}

/**
 * Older kernels show only the last part of a file's name, which does not tell whether the file still has the
 * name. Then the answer is yes.
 */
function mayBeLost(name: string): boolean {
  const path = Buffer.from(name, 'latin1');
  if (name.startsWith('/')) return looksDeleted(path) || looksSilly(path);
  return name !== '' && !/^(<none>|(socket|pipe):\[\d+\]|anon_inode:.*)$/.test(name);
}

/**
 * Reports the files behind loop devices. Such a file outlives the process, unless the device goes with its
 * last user. In either case the file is not in the dump.
 */
function behindLoops(
  processes: ProcessView,
  devices: readonly OpenDevice[],
  held: ReadonlyMap<string, number>,
): Unseen[] {
  const files = new Map<string, Unseen>();
  for (const { pid, fd, rdev } of devices) {
    const file = processes.backingFile(rdev);
    if (!file || !(looksDeleted(file) || looksSilly(file))) continue;
    const path = stripDeleted(file);
    const name = path.toString('latin1');
    if (held.has(name) || files.has(name)) continue;
    const why = 'the file behind this loop device has no name, and no descriptor leads to it';
    files.set(name, { pid, what: `fd ${fd}`, why, inside: 'loop device', ...pathToText(path) });
  }
  return [...files.values()];
}

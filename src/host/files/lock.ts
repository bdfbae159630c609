/**
 * Locks on folders: flock(2) on a descriptor of the folder itself. Such a lock needs no file in the folder,
 * and it ends with the process that holds it.
 */
import fs from 'node:fs';
import { tryLock } from '../native/libc.js';

const { O_RDONLY, O_DIRECTORY, O_NONBLOCK } = fs.constants;
/** If somebody replaces the folder each time while we lock it, we give up after this many attempts. */
const mostReplaced = 100;

/**
 * @returns a descriptor that holds the lock until we close it or end. Node sets O_CLOEXEC, so no program that
 * we start keeps the lock. Undefined where somebody else has a lock.
 * @throws an errno error where FOLDER cannot be locked
 */
export function lockFolder(folder: string): number | undefined {
  for (let replaced = 0; replaced < mostReplaced; replaced += 1) {
    const fd = fs.openSync(folder, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    try {
      const locked = tryLock(fd);
      if (locked === undefined) throw Object.assign(new Error('no locks'), { code: 'EOPNOTSUPP' });
      if (!locked) {
        fs.closeSync(fd);
        return undefined;
      }
      // Somebody may have removed the folder and made it anew between our open(2) and flock(2).
      if (isSame(fs.fstatSync(fd, { bigint: true }), fs.statSync(folder, { bigint: true }))) return fd;
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
    fs.closeSync(fd);
  }
  return undefined;
}

function isSame(one: fs.BigIntStats, other: fs.BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/**
 * Finds the process that holds the lock on FOLDER. No call asks flock(2) for the holder. The kernel shows the
 * locks of a descriptor in its fdinfo. /proc/locks names the process that made a lock, but that process may
 * have ended and left its descriptor to others.
 * @param family processes whose descriptors are looked at first, before /proc/locks
 * @returns undefined where neither source tells
 */
export function lockHolder(folder: string, family: readonly number[]): number | undefined {
  const inode = inodeOf(folder);
  if (inode === undefined) return undefined;
  return family.find(pid => holdsLock(pid, inode)) ?? makerOf(inode);
}

/**
 * The folder's inode as the kernel's lists of locks name it, MAJOR:MINOR:INODE. The device is that of the
 * superblock, from which st_dev differs on btrfs.
 */
function inodeOf(folder: string): string | undefined {
  try {
    const fd = fs.openSync(folder, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    try {
      const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
      const mount = /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
      // fdinfo has `ino` since Linux 5.14.
      const ino = /^ino:\s*(\d+)$/m.exec(info)?.[1] ?? fs.fstatSync(fd, { bigint: true }).ino;
      const mounts = fs.readFileSync('/proc/self/mountinfo', 'latin1');
      const device = new RegExp(`^${mount} \\d+ (\\d+):(\\d+) `, 'm').exec(mounts);
      if (!device) return undefined;
      const [major, minor] = device.slice(1).map(part => Number(part).toString(16).padStart(2, '0'));
      return `${major}:${minor}:${ino}`;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** Source: fs/locks.c, lock_get_status(): `1: FLOCK  ADVISORY  WRITE 1234 08:01:131083 0 EOF`. */
const lockLine = /^(?:lock:\s*)?\d+: FLOCK\s+\S+\s+\S+ (\d+) (\S+) /gm;

function locksIn(file: string): { pid: number; inode: string }[] {
  try {
    return [...fs.readFileSync(file, 'latin1').matchAll(lockLine)].map(([, pid, inode]) => ({
      pid: Number(pid),
      inode: inode as string,
    }));
  } catch {
    return [];
  }
}

function holdsLock(pid: number, inode: string): boolean {
  try {
    return fs
      .readdirSync(`/proc/${pid}/fdinfo`)
      .some(fd => locksIn(`/proc/${pid}/fdinfo/${fd}`).some(lock => lock.inode === inode));
  } catch {
    return false;
  }
}

function makerOf(inode: string): number | undefined {
  return locksIn('/proc/locks').find(lock => lock.inode === inode && lock.pid > 0)?.pid;
}

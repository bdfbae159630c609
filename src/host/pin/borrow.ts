/**
 * Descriptors of other processes, shared with them by pidfd_getfd(2). We open nothing, so we break no lease,
 * but the holder's file offset is shared too. So we read these with pread(2) only: lseek(2) with SEEK_DATA
 * would move the offset.
 */
import fs from 'node:fs';
import { showBytes } from '../../base/units.js';
import { getDescriptor } from '../native/libc.js';
import { errorOf } from '../native/look-at.js';

const accessMode = 3; // O_ACCMODE
const { O_WRONLY, O_RDONLY, O_DIRECT } = fs.constants;
const EAGAIN = -11;

/**
 * We do not borrow a descriptor with more bytes of holes than this. A hole can be skipped only with lseek(2),
 * or through an open(2) of our own, so all holes are read. Reading 4 GiB of holes took 10 s of processor
 * time, while the container was frozen. A file may have 8 EiB of holes.
 */
const mostHoles = 4n << 30n;

const borrowed = new Set<number>();

/**
 * Makes a descriptor of ours that shares the open file of the holder. The caller closes it with `close`.
 * @param link `/proc/PID/fd/N`
 * @throws EAGAIN where the descriptor cannot be read or, if WRITABLE, written, where reading its holes would
 * take too long, or where LINK is not a descriptor
 */
export function borrow(link: string, writable = false): number {
  const [, pid, theirs] = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(link) ?? [];
  if (theirs === undefined) throw leased(link, 'only a mapping leads to it');
  const fd = getDescriptor(Number(pid), Number(theirs));
  const flags = flagsOf(fd);
  const isOfUse = (flags & accessMode) !== (writable ? O_RDONLY : O_WRONLY);
  // We refuse a descriptor with O_DIRECT, because reads through it need whole blocks and aligned memory. We
  // cannot clear the flag, because that would change the holder's descriptor too.
  const isDirect = (flags & O_DIRECT) !== 0;
  const holes = holesOf(fd);
  if (isOfUse && !isDirect && holes <= mostHoles) {
    borrowed.add(fd);
    return fd;
  }
  fs.closeSync(fd);
  if (isOfUse && !isDirect)
    throw leased(link, `without one its ${showBytes(holes)} of holes would have to be read`);
  const only = isOfUse ? 'direct I/O (O_DIRECT)' : writable ? 'reading' : 'writing';
  throw leased(link, `its descriptor is open for ${only} only, and not for reading and writing`);
}

function holesOf(fd: number): bigint {
  const { size, blocks } = fs.fstatSync(fd, { bigint: true });
  return size - blocks * 512n;
}

export const isBorrowed = (fd: number): boolean => borrowed.has(fd);

export function close(fd: number): void {
  borrowed.delete(fd);
  fs.closeSync(fd);
}

function leased(link: string, why: string): NodeJS.ErrnoException {
  return errorOf(EAGAIN, `open ${link}: its holder has a write lease, which an open would break, and ${why}`);
}

/** Source: proc_pid_fdinfo(5), octal */
function flagsOf(fd: number): number {
  const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  return Number.parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? '', 8);
}

/** Calls of the C library that Node does not have, through koffi (docs/decisions/0001-koffi.md). */
import { closeSync, fstatSync, constants as ofFiles } from 'node:fs';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { errnoName } from '../../base/errors.js';
import { koffiIsLoaded, loadKoffi, runsInExecutable } from './program-files.js';

type Lseek = (fd: number, offset: bigint, whence: number) => number | bigint;

/** MFD_CLOEXEC. Source: linux/memfd.h */
const closeOnExec = 1;

type Rename = (fromFd: number, from: string, toFd: number, to: string, flags: number) => number;
type Link = (fromFd: number, from: string, toFd: number, to: Buffer, flags: number) => number;
type Flock = (fd: number, operation: number) => number;
type Poll = (fds: Buffer, count: number, waitMs: number) => number;

type GetOption = (fd: number, level: number, name: number, value: Buffer, length: Buffer) => number;
type GetXattr = (path: string, name: string, value: Buffer, size: number) => number | bigint;
type Ioctl = (fd: number, request: number) => number;

let getsockopt: GetOption | undefined;
let getxattr: GetXattr | undefined;
let ioctl: Ioctl | undefined;
let lseek: Lseek | undefined;
let rename: Rename | undefined;
let link: Link | undefined;
let flock: Flock | undefined;
let poll: Poll | undefined;

/** lseek(2). @returns the new offset, or a negative errno */
export function seek(fd: number, offset: bigint, whence: number): bigint {
  const koffi = loadKoffi();
  lseek ??= koffi.load(null).func('int64_t lseek(int, int64_t, int)') as unknown as Lseek;
  const result = BigInt(lseek(fd, offset, whence));
  return result < 0n ? -BigInt(koffi.errno()) : result;
}

/** memfd_create(2), closed on exec. @returns undefined where the kernel refuses it */
export function createMemfd(name: string): number | undefined {
  const create = loadKoffi().load(null).func('int memfd_create(const char *, unsigned int)');
  const fd = create(name, closeOnExec) as number;
  return fd < 0 ? undefined : fd;
}

/** The device that all memfds are on. @returns undefined where the kernel makes no memfds */
export function devOfMemfd(): bigint | undefined {
  const fd = createMemfd('ghostkeep');
  if (fd === undefined) return undefined;
  try {
    return fstatSync(fd, { bigint: true }).dev;
  } finally {
    closeSync(fd);
  }
}

/** Source: renameat2(2), fcntl.h, linux/fs.h. @returns 0 or a negative errno; nothing is replaced */
export function renameNoReplace(from: string, to: string): number {
  const [here, noReplace] = [-100, 1];
  const koffi = loadKoffi();
  rename ??= koffi
    .load(null)
    .func('int renameat2(int, const char *, int, const char *, unsigned int)') as unknown as Rename;
  return rename(here, from, here, to, noReplace) < 0 ? -koffi.errno() : 0;
}

/**
 * linkat(2): give the file that FD has open another name, TO. The file's old name may lead elsewhere by now.
 * @param to ends with a NUL. @throws an errno error; ENOENT where the file has no name any more
 */
export function linkOpen(fd: number, to: Buffer): void {
  const [here, followLink] = [-100, 0x400];
  const koffi = loadKoffi();
  link ??= koffi.load(null).func('int linkat(int, const char *, int, const void *, int)') as unknown as Link;
  if (link(here, `/proc/self/fd/${fd}`, here, to, followLink) < 0)
    throw failed(BigInt(-koffi.errno()), `link ${to.subarray(0, -1).toString('utf8')}`);
}

/** flock(2). The lock ends with the descriptor, so also when the process is killed. See Files.tryLock. */
export function tryLock(fd: number): boolean | undefined {
  const exclusiveAtOnce = 2 | 4;
  const koffi = loadKoffi();
  flock ??= koffi.load(null).func('int flock(int, int)') as unknown as Flock;
  if (flock(fd, exclusiveAtOnce) === 0) return true;
  return koffi.errno() === constants.errno.EWOULDBLOCK ? false : undefined;
}

/**
 * Can FD take some bytes without waiting? If poll(2) says so of a socket, the socket can take at least a few
 * pages. Source: poll(2)
 */
export function canTake(fd: number): boolean {
  const [pollOut, atOnce] = [4, 0];
  const asked = Buffer.alloc(8);
  asked.writeInt32LE(fd, 0);
  asked.writeInt16LE(pollOut, 4);
  poll ??= loadKoffi().load(null).func('int poll(void *, unsigned long, int)') as unknown as Poll;
  return poll(asked, 1, atOnce) === 1;
}

/** Sources: unix(7), linux/un.h; asm-generic/socket.h, which x86 and arm share */
const socketPathBytes = 108;
const [afUnix, solSocket, soPeercred] = [1, 1, 17];
/** SOCK_STREAM, SOCK_NONBLOCK and SOCK_CLOEXEC */
const streamAtOnce = 1 | 0o4000 | 0o2000000;

/**
 * Pid of the process that listens on a unix socket, as the kernel knows it. We connect, send nothing, and
 * hang up. A listener that accepts nobody is EAGAIN. @throws an errno error
 */
export function listenerOn(socketPath: string): number {
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  const failure = (code = -koffi.errno()) => failed(BigInt(code), `connect ${socketPath}`);
  const name = Buffer.from(`${socketPath}\0`);
  if (name.length > socketPathBytes) throw failure(-constants.errno.ENAMETOOLONG);
  const address = Buffer.alloc(2 + socketPathBytes);
  address.writeUInt16LE(afUnix);
  name.copy(address, 2);
  const fd = libc.func('int socket(int, int, int)')(afUnix, streamAtOnce, 0) as number;
  if (fd < 0) throw failure();
  try {
    if (libc.func('int connect(int, const void *, uint32_t)')(fd, address, address.length) < 0)
      throw failure();
    const [peer, length] = [Buffer.alloc(12), Buffer.alloc(4)];
    length.writeUInt32LE(peer.length);
    const getsockopt = libc.func('int getsockopt(int, int, int, void *, void *)');
    if (getsockopt(fd, solSocket, soPeercred, peer, length) < 0) throw failure();
    return peer.readInt32LE();
  } finally {
    closeSync(fd);
  }
}

/**
 * Maps the first page of a file with PROT_NONE. The file may be empty, because nobody reads the mapping: it
 * is only there so that the kernel shows the file's path in our /proc/self/maps (mapped-path.ts).
 * @throws an errno error
 */
export function mapPage(fd: number): { address: bigint; unmap(): void } {
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  const length = 4096;
  const [protNone, mapPrivate] = [0, 2];
  const mmap = libc.func('intptr_t mmap(intptr_t, size_t, int, int, int, int64_t)');
  const munmap = libc.func('int munmap(intptr_t, size_t)');
  const address = BigInt(mmap(0, length, protNone, mapPrivate, fd, 0) as number | bigint);
  if (address === -1n) {
    const code = errnoName(-koffi.errno()) ?? 'EIO';
    throw Object.assign(new Error(`${code}: cannot map a file`), { code });
  }
  return { address, unmap: () => void munmap(address, length) };
}

/** All architectures share the numbers of these two system calls. Source: asm-generic/unistd.h */
const [pidfdOpen, pidfdGetfd] = [434n, 438n];
/**
 * PIDFD_THREAD, for a thread that does not lead its group and has descriptors of its own. Since Linux 6.9.
 */
const ofThread = BigInt(ofFiles.O_EXCL);

/**
 * pidfd_getfd(2): share descriptor FD of process PID with this process, closed on exec.
 * @throws an errno error
 */
export function getDescriptor(pid: number, fd: number): number {
  let process = systemCall(pidfdOpen, BigInt(pid), 0n);
  if (process === -22n) process = systemCall(pidfdOpen, BigInt(pid), ofThread); // EINVAL
  if (process < 0n) throw failed(process, `pidfd_open ${pid}`);
  try {
    const ours = systemCall(pidfdGetfd, process, BigInt(fd), 0n);
    if (ours < 0n) throw failed(ours, `pidfd_getfd ${fd} of ${pid}`);
    return Number(ours);
  } finally {
    closeSync(Number(process));
  }
}

/** Sources: asm-generic/socket.h, linux/un.h, unix(7) */
const [soDomain, siocunixfile] = [39, 0x89e0];

/**
 * The file that a socket is bound to, as an O_PATH descriptor, which the caller closes.
 * @returns undefined for a socket that is not of unix(7), or is bound to no file
 * @throws an errno error
 */
export function boundFile(socket: number): number | undefined {
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  const [domain, length] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32LE(domain.length);
  getsockopt ??= libc.func('int getsockopt(int, int, int, void *, void *)') as unknown as GetOption;
  if (getsockopt(socket, solSocket, soDomain, domain, length) < 0)
    throw failed(BigInt(-koffi.errno()), 'getsockopt');
  // For a socket of another family, the number of this ioctl means something else.
  if (domain.readInt32LE() !== afUnix) return undefined;
  ioctl ??= libc.func('int ioctl(int, unsigned long)') as unknown as Ioctl;
  const fd = ioctl(socket, siocunixfile);
  if (fd >= 0) return fd;
  if (koffi.errno() === constants.errno.ENOENT) return undefined;
  throw failed(BigInt(-koffi.errno()), 'SIOCUNIXFILE');
}

/** getxattr(2). @returns undefined where there is none, or it is longer than any name of a protocol */
export function readXattr(path: string, name: string): string | undefined {
  const value = Buffer.alloc(64);
  const signature = 'intptr_t getxattr(const char *, const char *, void *, size_t)';
  getxattr ??= loadKoffi().load(null).func(signature) as unknown as GetXattr;
  const length = Number(getxattr(path, name, value, value.length));
  return length < 0 ? undefined : value.toString('latin1', 0, length).replace(/\0.*$/s, '');
}

function failed(result: bigint, what: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(Number(result));
  return Object.assign(new Error(`${code}: ${what}`), { code, errno: Number(result) });
}

let close: ((fd: number) => number) | undefined;

/**
 * close(2) on a file that was written. A file server may say only here that it did not take a write, and
 * Bun's closeSync does not pass that on.
 * @throws an errno error; the descriptor is closed all the same
 */
export function closeWritten(fd: number): void {
  if (!runsInExecutable()) {
    closeSync(fd);
    return;
  }
  const koffi = loadKoffi();
  close ??= koffi.load(null).func('int close(int)') as unknown as (fd: number) => number;
  if (close(fd) === 0) return;
  const error = koffi.errno();
  if (error !== constants.errno.EINTR) throw failed(BigInt(-error), 'close');
}

type SystemCall = (number: bigint, ...args: bigint[]) => number | bigint;
let syscall: SystemCall | undefined;

/** @returns the kernel's result: a negative errno is a failure */
function systemCall(number: bigint, ...args: [bigint, bigint, bigint?]): bigint {
  const koffi = loadKoffi();
  const signature = 'int64_t syscall(int64_t, int64_t, int64_t, int64_t)';
  syscall ??= koffi.load(null).func(signature) as unknown as SystemCall;
  const result = BigInt(syscall(number, args[0], args[1], args[2] ?? 0n));
  return result < 0n ? -BigInt(koffi.errno()) : result;
}

/**
 * _exit(2). Node's own exit waits for libuv's threads (uv_library_shutdown() joins them), and a thread that
 * hangs in a read from a dead server is the very reason for a deadline.
 */
export function exitAtOnce(status: number): void {
  try {
    loadKoffi().load(null).func('void _exit(int)')(status);
  } catch {
    // Without koffi we cannot call _exit. Whoever waits for us then sees that a signal ended us, and no
    // status.
    process.kill(process.pid, 'SIGKILL');
  }
}

/**
 * Called last before the process ends. koffi's own destructors call fsync(2) on descriptors 1 and 2, and
 * where that fails they wait for a lock that they hold themselves. A process that has not loaded koffi ends
 * as Node does.
 */
export function exitWithoutKoffi(status: number): void {
  if (koffiIsLoaded()) exitAtOnce(status);
}

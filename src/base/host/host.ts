/**
 * What the flows may ask of the machine. src/host implements it on Linux; tests pass their own.
 * Errors are Node's, with their errno (`code: 'ENOENT'`): the flow that asked translates.
 */

import type { Bound } from '../bounds.js';
import type { IdMaps } from '../id-map.js';
import type { Commands } from './commands.js';
import type { Engine } from './engine.js';
import type { Answer, FdLook, FileStat, Identity, OpenFds, Refused } from './file-stat.js';
import type { FolderLocks } from './folder-locks.js';
import type { Mount } from './mount.js';

export type * from './commands.js';
export type * from './engine.js';
export type * from './file-stat.js';
export type * from './mount.js';

/** One line of /proc/PID/maps that names a file. Source: proc_pid_maps(5). */
export interface FileMap {
  /** `start-end`, hexadecimal: the name in map_files */
  address: string;
  writable: boolean;
  shared: boolean;
  /**
   * `MAJOR:MINOR INODE PATH` as maps has them, numbers of the device in hexadecimal: identifies the line's file among those
   * of one scan. The device is the mount's; stat's may be another.
   */
  label: string;
}

/** A descriptor of ours on a regular file, and what is asked about it first. */
export interface Pin {
  fd: number;
  /** Of the descriptor, before anything was read. */
  stat: FileStat;
  /** Undefined: not asked. */
  inodeFlags?: number;
  hasXattrs?: boolean;
}

export interface ProcessView {
  /** Pids in /proc, ascending. */
  listPids(): number[];
  /** PID and all its descendants that exist now. */
  tree(pid: number): number[];
  /** Pids of a cgroup path (as under /sys/fs/cgroup, or absolute), its children included. */
  cgroupPids(path: string): number[];
  /** Cgroup paths of a process, as /proc/PID/cgroup lists them. */
  cgroupsOf(pid: number): string[];
  /** Do all its threads stand still: stopped, by a tracer too, or their cgroups frozen? False where that cannot be found out. */
  isPaused(pid: number): boolean;
  startTime(pid: number): string;
  commandLine(pid: number): string[];
  /** A variable of the environment that it was started with. */
  environment(pid: number, name: string): string | undefined;
  /** Pid of its tracer, 0 without. */
  tracer(pid: number): number;
  parent(pid: number): number;
  fds(pid: number): number[];
  /** Look through all descriptors; opens nothing. Whatever is no suspect is no ghost (ghostkeep.h, gk_open_files). */
  openFds(pid: number): OpenFds;
  /**
   * Threads of PID whose descriptors are not in its /proc/PID/fd, one of each table: they have unshared it (unshare(2),
   * CLONE_FILES), or the main thread has ended. Where tables cannot be compared, all threads. Each can be asked for as a
   * process is.
   */
  threadsApart(pid: number): number[];
  /** LOOK asks for the openFds of PIDS, in this order: they may be looked at ahead, on other processors. */
  inTurn<T>(pids: readonly number[], look: () => T): T;
  maps(pid: number): FileMap[];
  /** Of maps, only what is shared and may be written to now. */
  writableShared(pid: number): FileMap[];
  /** fdinfo of a descriptor, one character a byte, at most LIMIT bytes of it. */
  fdInfo(pid: number, fd: number, limit: number): string;
  /** What the kernel calls the file behind a loop device, or behind the one that RDEV is a partition of. */
  backingFile(rdev: bigint): Buffer | undefined;
  /** What FDS are, in their order. Opens nothing of the process's. */
  lookAt(pid: number, fds: readonly number[]): Iterable<FdLook | ({ fd: number } & Refused)>;
  mounts(pid: number): Mount[];
  /** Identity of the mount namespace, as readlink of ns/mnt gives it. */
  mountNamespace(pid: number): string;
  idMaps(pid: number): IdMaps;
  /**
   * stat through `fd/N`, `map_files/A-B`, `exe`, `cwd`, `root`; never opens anything, and asks no server. Where one would have
   * to be asked (isOnServer) the attributes may be old.
   */
  stat(pid: number, link: string): FileStat;
  /** @throws ENAMETOOLONG where the path has about 4,096 bytes or more: a link of /proc has room for a page */
  readLink(pid: number, link: string): Buffer;
  /** Is a server the only one who knows the attributes of this file? By the mounts of the processes of the last inTurn. */
  isOnServer(stat: FileStat): boolean;
  /**
   * What servers say of files now, in their order. The call ends when nothing was answered for WAIT_MS: undefined for the
   * file that was asked about then, and for those behind it.
   */
  askServers(
    links: readonly { pid: number; link: string }[],
    waitMs: number,
  ): (Answer | Refused | undefined)[];
  /** As readLink, of a path of any length. Opens the file, which must be a regular one, and shows a newline as \012. */
  longPath(pid: number, link: string): Buffer;
  /** statfs(2) f_type */
  filesystemMagic(pid: number, link: string): bigint;
  /** Identity of what PATH names below the process's root, symbolic links resolved inside it; undefined if nothing. */
  statInRoot(pid: number, path: Buffer): Identity | undefined;
  /**
   * Other names of an inode on a mount, absolute in the process's mount namespace: looked for first in the folder of
   * NEAR, then on the whole mount, but among no more than `limit` files.
   * @returns looked: at how many files; complete: false when the search ended at the limit
   */
  namesOf(
    pid: number,
    mountPoint: Buffer,
    inode: Identity & { nlink: number },
    near: Buffer,
    limit: number,
  ): { names: Buffer[]; complete: boolean; looked: number };
  /**
   * For each of NAMES: could a file be made by it in FOLDER of a mount? Not where something has the name, where the folder
   * is another file or hidden, or is reached by a symbolic link; one that is gone can be made. Paths are those of the
   * process's root.
   */
  areFree(
    pid: number,
    mountId: number,
    mountPoint: Buffer,
    folder: Buffer,
    names: readonly Buffer[],
  ): boolean[];
  /**
   * Open a regular file through a link without touching atime where allowed: for reading, or for writing too, which
   * for a running executable fails (ETXTBSY). The caller closes it.
   */
  pin(pid: number, link: string, writable?: boolean): number;
  /** As pin and statPin, for many at once, in their order. The caller closes what was opened. */
  pinAll(links: readonly { pid: number; link: string }[]): (Pin | Refused)[];
  unpin(fd: number): void;
  statPin(fd: number): FileStat;
  /** The mount id a link's file is open through; opens with O_PATH, which acts on nothing. */
  mountThrough(pid: number, link: string): number;
  /** The device of memfds, and of no mount; undefined where the kernel has none. */
  sharedMemoryDev(): bigint | undefined;
  self(): number;
}

/** Files of ours: image directories, records. Paths are text: we made them. */
export interface Files extends FolderLocks {
  /** The whole file. @throws the bound's code where it is larger, before anything is read */
  read(path: string, bound: Bound): Buffer;
  /** At most BYTES from the start: what may be large is never read as a whole. */
  readStart(path: string, bytes: number): Buffer;
  readIfThere(path: string, bound: Bound): Buffer | undefined;
  exists(path: string): boolean;
  list(path: string): string[];
  makeDirectory(path: string, mode?: number): void;
  /**
   * Open a folder, for paths below /proc/self/fd/N; made with mode 0700 where it is not there. A symbolic link on the way is
   * followed only where nobody but root and we ourselves could have put it. The caller closes it.
   */
  openFolder(path: string): number;
  /** Create a file that must not exist, for reading and writing; MODE as umask(2) allows, 0600 if none is given. */
  create(path: string, mode?: number): number;
  open(path: string, writable?: boolean): number;
  close(fd: number): void;
  stat(fd: number): FileStat;
  /** lstat */
  statPath(path: string): FileStat;
  /**
   * Write beside PATH and rename over it: all of it or none. Keeps mode and owner of what it replaces.
   * With durable (the default) file and directory are fsynced, so that it also survives a power failure.
   */
  replace(path: string, bytes: Uint8Array, durable?: boolean): void;
  rename(from: string, to: string): void;
  /** As rename, but what has the name already stays: EEXIST. */
  renameNew(from: string, to: string): void;
  /** flock(2), at once: false where another has it, undefined where the file system has no such locks. Closing lets go. */
  tryLock(fd: number): boolean | undefined;
  /** Give PATHS, which were all made alike, the mode and owner of LIKE. */
  matchOwner(paths: readonly string[], like: string): void;
  remove(path: string): void;
  removeTree(path: string): void;
  /** fsync(2) of a file. */
  sync(path: string): void;
  syncFolder(path: string): void;
  /** fsync(2) of a descriptor, on a thread of its own. */
  flush(fd: number): Promise<void>;
  /** What is free for whoever is not root; undefined where the file system does not say, as ramfs, which has no size. */
  freeBytes(path: string): bigint | undefined;
  setOwner(fd: number, uid: number, gid: number): void;
  setMode(fd: number, mode: number): void;
  /**
   * What a file system has refused since this was last asked and no content depends on, as `fsync (EINVAL)`: owner, mode
   * and fsync of `replace`, `matchOwner` and `sync`. Some shares have none of them.
   */
  takeRefused(): string[];
  /**
   * Below FOLDER, never outside it: give the file that WRITE fills all of NAMES (relative, bytes). Names that are there
   * already stay what they are, and the missing ones become theirs.
   * @param check gets the statfs(2) f_type of each folder before anything is made in any; throws where nothing may be
   * @returns what had to be made: nothing, links, or the whole file
   */
  makeNames(
    folder: string,
    names: readonly Buffer[],
    check: (magic: bigint) => void,
    write: (fd: number) => Promise<void>,
  ): Promise<'nothing' | 'links' | 'file'>;
  /**
   * lstat of NAME (relative; empty for the mount point itself) on a mount of ours; undefined where nothing has that name.
   * Follows no link out of the mount. @throws EXDEV where another mount is in the way, so that nobody can say
   */
  statOn(mount: Mount, name: Buffer): FileStat | undefined;
  /** Where a path that may be a magic link (/proc/self/fd/4) really is, for messages. */
  realPath(path: string): string;
}

export interface Host {
  commands: Commands;
  processes: ProcessView;
  files: Files;
  engine: Engine;
  now(): Date;
  /** Monotonic milliseconds. */
  clock(): number;
  uid(): number;
  /** The same on this host after a reboot, and on no other; nobody can tell the machine id from it. */
  machine(): string;
}

export interface ProgramRequest {
  /** Absolute; no PATH is searched. */
  path: string;
  /** As execve takes it: the program's own name first. */
  argv: readonly string[];
  /** Nothing is added to it. */
  environment: Record<string, string>;
  cwd: string;
  stdin?: string;
  /** Number in the program → descriptor of ours. Two numbers for one descriptor share its offset. */
  descriptors?: ReadonlyMap<number, number>;
  /** Killed after this, with all it started that stayed in its process group. */
  waitMs: number;
}

export interface Ended {
  /** Undefined when a signal ended it. */
  status: number | undefined;
  signal: string | undefined;
  /** It was killed because waitMs had passed. */
  late: boolean;
  stdout: string;
  stderr: string;
}

export interface Program {
  pid: number;
  ended: Promise<Ended>;
}

/** What playing a runtime takes beyond a Host: processes of our own, and descriptors with flags and offsets. */
export interface Stage {
  /** Rejects when the program cannot be started. */
  start(request: ProgramRequest): Promise<Program>;
  /** A process that a program of ours started and left behind: it is ended with the others. */
  adopt(pid: number): void;
  /** Something to undo when all is over, however it ends. */
  atEnd(undo: () => void): void;
  /** A process that is gone is no error. */
  signal(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): void;
  /** Letter of /proc/PID/stat; undefined when there is no such process. */
  runState(pid: number): string | undefined;
  wait(ms: number): Promise<void>;
  /** A folder of our own, in the temporary folder or in the one named. */
  makeScratch(parent?: string): string;
  write(path: string, content: string | Uint8Array, mode: number): void;
  /** Open with the flags of fdinfo, as they are but for O_CLOEXEC. */
  openAs(path: string, flags: number): number;
  seekTo(fd: number, offset: bigint): void;
  /** The next data at or after an offset; undefined when only a hole follows. Moves the descriptor's offset. */
  nextData(fd: number, offset: bigint, size: bigint): { start: bigint; end: bigint } | undefined;
  read(fd: number, into: Uint8Array, offset: bigint): number;
  /** A regular file that we may execute. */
  isExecutable(path: string): boolean;
  /** A file that belongs to the program: `hooks/prestart`. */
  findBeside(...parts: string[]): string | undefined;
  /** node and the script that run us. */
  self(): { node: string; program: string };
}

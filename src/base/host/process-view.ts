/**
 * Processes, their files and mounts, as the flows see them. They come from /proc of the host, or from a test.
 */
import type { IdMaps } from '../id-map.js';
import type { Answer, FdLook, FileStat, Identity, Inode, Memory, OpenFds, Refused } from './file-stat.js';
import type { Mount } from './mount.js';

/** One line of /proc/PID/maps that names a file. Source: proc_pid_maps(5). */
export interface FileMap {
  /** `start-end`, hexadecimal: the name in map_files */
  address: string;
  writable: boolean;
  shared: boolean;
  /**
   * The label is `MAJOR:MINOR INODE PATH` from a line of /proc/PID/maps, with the device in hexadecimal.
   * Within one scan, lines with the same label map the same file, and lines with other labels map other
   * files. The device is the mount's; stat may show another one.
   */
  label: string;
}

/** Our own descriptor on a regular file, with the facts that are needed first. */
export interface Pin {
  fd: number;
  /** Stat of the descriptor, before anything was read. */
  stat: FileStat;
  /** Undefined where it was not asked for. */
  inodeFlags?: number;
  hasXattrs?: boolean;
}

/** Which processes hold some files. */
export interface Holders {
  /** A holder of each file, in the order of the files; undefined where none was found. */
  holders: (number | undefined)[];
  /** False where a file may have a holder that was not found, because the time was up. */
  complete: boolean;
}

export interface ProcessView {
  /** Pids in /proc, ascending. */
  listPids(): number[];
  /** PID and all its descendants that exist now. */
  tree(pid: number): number[];
  /** Cgroup paths of a process, as /proc/PID/cgroup lists them. */
  cgroupsOf(pid: number): string[];
  /**
   * Are all its threads stopped (also by a tracer), or their cgroups frozen? False where that cannot be found
   * out.
   */
  isPaused(pid: number): boolean;
  startTime(pid: number): string;
  commandLine(pid: number): string[];
  /** As /proc/PID/comm has it; a process may give itself any name of up to 15 bytes. */
  commandName(pid: number): string;
  /**
   * The option of /proc (`hidepid=2`) that hides processes of other users from us; undefined where none does.
   */
  hidesProcesses(): string | undefined;
  /** A variable of the environment that the process was started with. */
  environment(pid: number, name: string): string | undefined;
  /** Pid of its tracer, 0 without one. */
  tracer(pid: number): number;
  parent(pid: number): number;
  /**
   * Bytes of anonymous memory of the process, also in swap. No file has them, so a checkpoint writes them
   * down.
   */
  privateMemory(pid: number): bigint;
  /** The real uid of the process. Starting a set-uid program does not change it. */
  uid(pid: number): number;
  /** Pid of the process that listens on a unix socket. @throws an errno error, without waiting */
  listener(socket: string): number;
  fds(pid: number): number[];
  /**
   * Look through all descriptors without opening anything. A descriptor that is not listed as a suspect holds
   * no ghost (ghostkeep.h, gk_open_files). PRESUMED, ascending, are suspects without a look, where they are
   * open: the caller will look at them anyway.
   */
  openFds(pid: number, presumed?: readonly number[]): OpenFds;
  /**
   * Threads of PID whose descriptors are not in its /proc/PID/fd: they have unshared the table (unshare(2),
   * CLONE_FILES), or the main thread has ended. One thread for each table, or all threads where tables cannot
   * be compared. A thread can be passed wherever a pid is wanted.
   */
  threadsApart(pid: number): number[];
  /**
   * LOOK asks for the openFds of PIDS in this order, so that they can be looked at ahead, on other
   * processors.
   */
  inTurn<T>(pids: readonly number[], look: () => T): T;
  maps(pid: number): FileMap[];
  /**
   * Find processes among PIDS that hold FILES of a tmpfs: open, mapped, as program, working directory or
   * root. PIDS are looked at in their order, until each file has a holder, and for WAIT_MS at most. No
   * process is waited for longer. The text about gk_find_holders in ghostkeep.h says which holders it misses.
   */
  findHolders(pids: readonly number[], files: readonly Inode[], waitMs: number): Holders;
  /** Only those of `maps` that are shared and writable now. */
  writableShared(pid: number): FileMap[];
  /** fdinfo of a descriptor, one character a byte, at most LIMIT bytes of it. */
  fdInfo(pid: number, fd: number, limit: number): string;
  /**
   * The file that a unix socket is bound to, and its path in the mount namespace of the one who bound it;
   * undefined for other sockets. Nothing is looked up by a name.
   */
  boundAt(pid: number, fd: number): { path: Buffer; stat: FileStat } | undefined;
  /**
   * The kernel's path of the file behind a loop device, or behind the loop device that RDEV is a partition
   * of.
   */
  backingFile(rdev: bigint): Buffer | undefined;
  /** Looks at FDS, in their order. It opens no file of the process. */
  lookAt(pid: number, fds: readonly number[], memory?: Memory): Iterable<FdLook | ({ fd: number } & Refused)>;
  mounts(pid: number): Mount[];
  /** Identity of the mount namespace, as readlink of ns/mnt gives it. */
  mountNamespace(pid: number): string;
  idMaps(pid: number): IdMaps;
  /**
   * stat through `fd/N`, `map_files/A-B`, `exe`, `cwd`, `root`. It never opens anything and asks no server,
   * so where a server has the attributes (isOnServer) they may be old.
   */
  stat(pid: number, link: string): FileStat;
  /**
   * @throws ENAMETOOLONG where the path has about 4,096 bytes or more, because a link of /proc has room for a
   * page
   */
  readLink(pid: number, link: string): Buffer;
  /**
   * Is a server the only one who knows the attributes of this file? Judged by the mounts of the processes in
   * the last inTurn.
   */
  isOnServer(stat: FileStat): boolean;
  /**
   * Ask servers about LINKS, which are all on one mount, and return the answers in order. The call ends when
   * no answer came for two seconds, or for less where this or another server has been silent before. The file
   * that was asked about then, and all after it, are undefined.
   */
  askServers(
    mountId: number,
    links: readonly { pid: number; link: string }[],
  ): (Answer | Refused | undefined)[];
  /**
   * Like readLink, but for a path of any length. It opens the file, which must be a regular one, and shows a
   * newline as \012.
   */
  longPath(pid: number, link: string): Buffer;
  /** statfs(2) f_type */
  filesystemMagic(pid: number, link: string): bigint;
  /**
   * Identity of the file that PATH names below the process's root, with symbolic links resolved inside it;
   * undefined where there is none. This, namesOf, filesIn and areFree throw ETIMEDOUT where the path leads
   * over the mount of a server that does not answer.
   */
  statInRoot(pid: number, path: Buffer): Identity | undefined;
  /**
   * Other names of an inode on a mount, absolute in the process's mount namespace. The search begins in the
   * folder of NEAR and goes on to the whole mount, but looks at no more than `limit` files.
   * @returns looked: the number of files looked at; complete: false when the search ended at the limit
   */
  namesOf(
    pid: number,
    mountPoint: Buffer,
    inode: Identity & { nlink: number },
    near: Buffer,
    limit: number,
  ): { names: Buffer[]; complete: boolean; looked: number };
  /**
   * FOLDER of a tmpfs itself, and what lies below it on its mount, also deeper. No more than LIMIT entries
   * are looked at. Paths are absolute below the process's root.
   * @returns complete: false where there are more, or there is no such folder
   */
  filesIn(
    pid: number,
    folder: Buffer,
    limit: number,
  ): { files: { path: Buffer; stat: FileStat }[]; complete: boolean };
  /**
   * For each of NAMES: could a file of this name be made in FOLDER of a mount? No, where a file has the name
   * already, where the folder is another file, is hidden, or is reached by a symbolic link. Yes, where the
   * folder is gone, because it can be made again. Paths are below the process's root.
   */
  areFree(
    pid: number,
    mountId: number,
    mountPoint: Buffer,
    folder: Buffer,
    names: readonly Buffer[],
  ): boolean[];
  /**
   * Open a regular file through a link, without changing atime where that is allowed. WRITABLE opens it for
   * writing too, which fails for a running executable (ETXTBSY). The caller closes it.
   */
  pin(pid: number, link: string, writable?: boolean): number;
  /**
   * Like pin and statPin, but for many links at once, in their order. The caller closes the descriptors. With
   * MEMORY, a `stat` that is the same object as before says that the flags and attributes have not changed
   * either.
   */
  pinAll(links: readonly { pid: number; link: string }[], memory?: Memory): (Pin | Refused)[];
  unpin(fd: number): void;
  statPin(fd: number): FileStat;
  /**
   * The id of the mount that a link's file is open through. It opens with O_PATH, which does nothing to the
   * file.
   */
  mountThrough(pid: number, link: string): number;
  /** The device that memfds are on, which no mount has; undefined where the kernel makes no memfds. */
  sharedMemoryDev(): bigint | undefined;
  self(): number;
}

/** A cgroup whose processes the kernel freezes together. */
export interface FreezerCgroup {
  /** The file of version 2, or of version 1. */
  control: 'cgroup.freeze' | 'freezer.state';
  /** Where the hierarchy is mounted. */
  root: string;
  path: string;
}

/** Stops processes and lets them go on: by the freezer of a cgroup, or by signals. */
export interface Freezer {
  /** Undefined where the process is in the root cgroup, or the host has no freezer. */
  cgroupOf(pid: number): FreezerCgroup | undefined;
  /** Pids of the processes in the cgroup and below it; 0 for one that this pid namespace does not show. */
  members(cgroup: FreezerCgroup): number[];
  /** Asks the kernel; `isFrozen` says when it has happened. */
  freeze(cgroup: FreezerCgroup): void;
  /** It is no error if the cgroup is gone. */
  thaw(cgroup: FreezerCgroup): void;
  isFrozen(cgroup: FreezerCgroup): boolean;
  /** It is no error if the process is gone. */
  signal(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): void;
  wait(ms: number): Promise<void>;
}

/** Processes, their files and mounts, as the flows see them: /proc of the host, or a test's. */
import type { IdMaps } from '../id-map.js';
import type { Answer, FdLook, FileStat, Identity, OpenFds, Refused } from './file-stat.js';
import type { Mount } from './mount.js';

/** One line of /proc/PID/maps that names a file. Source: proc_pid_maps(5). */
export interface FileMap {
  /** `start-end`, hexadecimal: the name in map_files */
  address: string;
  writable: boolean;
  shared: boolean;
  /**
   * `MAJOR:MINOR INODE PATH` as maps has them, numbers of the device in hexadecimal: identifies the line's
   * file among those of one scan. The device is the mount's; stat's may be another.
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
  /**
   * Do all its threads stand still: stopped, by a tracer too, or their cgroups frozen? False where that
   * cannot be found out.
   */
  isPaused(pid: number): boolean;
  startTime(pid: number): string;
  commandLine(pid: number): string[];
  /** A variable of the environment that it was started with. */
  environment(pid: number, name: string): string | undefined;
  /** Pid of its tracer, 0 without. */
  tracer(pid: number): number;
  parent(pid: number): number;
  fds(pid: number): number[];
  /**
   * Look through all descriptors; opens nothing. Whatever is no suspect is no ghost (ghostkeep.h,
   * gk_open_files).
   */
  openFds(pid: number): OpenFds;
  /**
   * Threads of PID whose descriptors are not in its /proc/PID/fd, one of each table: they have unshared it
   * (unshare(2), CLONE_FILES), or the main thread has ended. Where tables cannot be compared, all threads.
   * Each can be asked for as a process is.
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
   * stat through `fd/N`, `map_files/A-B`, `exe`, `cwd`, `root`; never opens anything, and asks no server.
   * Where one would have to be asked (isOnServer) the attributes may be old.
   */
  stat(pid: number, link: string): FileStat;
  /**
   * @throws ENAMETOOLONG where the path has about 4,096 bytes or more: a link of /proc has room for a page
   */
  readLink(pid: number, link: string): Buffer;
  /**
   * Is a server the only one who knows the attributes of this file? By the mounts of the processes of the
   * last inTurn.
   */
  isOnServer(stat: FileStat): boolean;
  /**
   * What servers say now of LINKS, which are on one mount, in their order. The call ends when nothing was
   * answered for two seconds, or for less where this or another server has been silent before: undefined for
   * the file that was asked about then, and for those behind it.
   */
  askServers(
    mountId: number,
    links: readonly { pid: number; link: string }[],
  ): (Answer | Refused | undefined)[];
  /**
   * As readLink, of a path of any length. Opens the file, which must be a regular one, and shows a newline as
   * \012.
   */
  longPath(pid: number, link: string): Buffer;
  /** statfs(2) f_type */
  filesystemMagic(pid: number, link: string): bigint;
  /**
   * Identity of what PATH names below the process's root, symbolic links resolved inside it; undefined if
   * nothing. This, namesOf and areFree throw ETIMEDOUT where the path leads over the mount of a server that
   * does not answer.
   */
  statInRoot(pid: number, path: Buffer): Identity | undefined;
  /**
   * Other names of an inode on a mount, absolute in the process's mount namespace: looked for first in the
   * folder of NEAR, then on the whole mount, but among no more than `limit` files.
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
   * For each of NAMES: could a file be made by it in FOLDER of a mount? Not where something has the name,
   * where the folder is another file or hidden, or is reached by a symbolic link; one that is gone can be
   * made. Paths are those of the process's root.
   */
  areFree(
    pid: number,
    mountId: number,
    mountPoint: Buffer,
    folder: Buffer,
    names: readonly Buffer[],
  ): boolean[];
  /**
   * Open a regular file through a link without touching atime where allowed: for reading, or for writing too,
   * which for a running executable fails (ETXTBSY). The caller closes it.
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

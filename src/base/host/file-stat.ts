/** The machine's answer about one file, or the reason why there is none. */

/** These fields tell one inode from another: identity.ts. */
export type Identity = Pick<FileStat, 'dev' | 'ino' | 'birthtimeNs'>;

export type Inode = Pick<FileStat, 'dev' | 'ino'>;

export interface FileStat {
  dev: bigint;
  ino: bigint;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: bigint;
  size: bigint;
  /** st_blocks * 512 */
  allocated: bigint;
  blockBytes: number;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** 0 where the file system, or this host, does not tell it. */
  birthtimeNs: bigint;
  /**
   * The mount that the file was looked at through. 0 where the kernel does not say, undefined where nobody
   * asked.
   */
  mountId?: number;
}

/**
 * Answers that a host keeps for a caller, by the question. When the caller asks again with the same memory,
 * the host gives the same object for each part of the answer that has not changed. Only the host looks into
 * it, and a host that keeps nothing is right as well.
 */
export type Memory = Map<string, unknown>;

/** One of many questions failed with this error. */
export interface Refused {
  error: Error;
}

/** The answer of a server about a file. */
export interface Answer {
  stat: FileStat;
  /** statfs(2) f_type */
  magic: bigint;
}

export interface FdInfo {
  mountId: number;
  flags: number;
  position: bigint;
}

/** One look at a descriptor: stat, the target of its link, fdinfo. */
export interface FdLook {
  fd: number;
  stat: FileStat;
  /** Undefined where the path is too long for a link of /proc. */
  target?: Buffer;
  info: FdInfo;
}

/** One look through all descriptors of a process shows this. */
export interface OpenFds {
  /**
   * These may hold a ghost, /dev/fuse or a loop device, or could not be looked at. Each needs a closer look.
   */
  suspects: number[];
  /**
   * Sockets, io_urings, inotify and fanotify. They may hold or watch files that no descriptor leads to; only
   * fdinfo tells.
   */
  carriers: number[];
  /** All other descriptors, three numbers for each: fd, dev, ino. A process may have a million. */
  others: BigUint64Array;
}

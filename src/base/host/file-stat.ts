/** What the machine says of one file, or why it does not. */

/** What tells one inode from another: identity.ts. */
export type Identity = Pick<FileStat, 'dev' | 'ino' | 'birthtimeNs' | 'ctimeNs'>;

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
  birthtimeNs: bigint;
  /** Through which mount it was looked at; 0 where the kernel does not say, undefined where nobody asked. */
  mountId?: number;
}

/** What could not be had of one among many. */
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

/** A descriptor as one look at it shows it: stat, what its link says, fdinfo. */
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
   * May hold a ghost, /dev/fuse or a loop device, or could not be looked at: each wants a look of its own.
   */
  suspects: number[];
  /** Sockets and io_urings: files may be inside that no descriptor leads to. Only fdinfo tells. */
  carriers: number[];
  /** All others, three numbers each: fd, dev, ino. A process may have a million. */
  others: BigUint64Array;
}

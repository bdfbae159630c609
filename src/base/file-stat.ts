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
}

/** What could not be had of one among many. */
export interface Refused {
  error: Error;
}

import type { Bound } from '../bounds.js';
import type { FileStat } from './file-stat.js';
import type { FolderLocks } from './folder-locks.js';
import type { Mount } from './mount.js';

/** Durable: file and directory are fsynced, so that what is written also survives a power failure. */
export interface Durability {
  durable: boolean;
}

/** Files of ours: image directories, records. Paths are text: we made them. */
export interface Files extends FolderLocks {
  /**
   * Do WORK, which is done when it returns. A FOLDER of ours is opened once for it and not for each file in
   * it, which takes longer than a rename.
   */
  holding<T>(folder: string, work: () => T): T;
  /** The whole file. @throws the bound's code where it is larger, before anything is read */
  read(path: string, bound: Bound): Buffer;
  /** At most BYTES from the start: what may be large is never read as a whole. */
  readStart(path: string, bytes: number): Buffer;
  readIfThere(path: string, bound: Bound): Buffer | undefined;
  exists(path: string): boolean;
  list(path: string): string[];
  makeDirectory(path: string, mode?: number): void;
  /**
   * Open a folder, for paths below /proc/self/fd/N; made with mode 0700 where it is not there. A symbolic
   * link on the way is followed only where nobody but root and we ourselves could have put it. The caller
   * closes it.
   */
  openFolder(path: string): number;
  /**
   * Create a file that must not exist, for reading and writing; MODE as umask(2) allows, 0600 if none is
   * given.
   */
  create(path: string, mode?: number): number;
  open(path: string, writable?: boolean): number;
  close(fd: number): void;
  stat(fd: number): FileStat;
  /** lstat */
  statPath(path: string): FileStat;
  /**
   * Write beside PATH and rename over it: all of it or none. Keeps mode and owner of what it replaces.
   * Durable where nothing else is said.
   */
  replace(path: string, bytes: Uint8Array, durability?: Durability): void;
  rename(from: string, to: string): void;
  /** As rename, but what has the name already stays: EEXIST. */
  renameNew(from: string, to: string): void;
  /**
   * flock(2), at once: false where another has it, undefined where the file system has no such locks. Closing
   * lets go.
   */
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
  /**
   * What is free for whoever is not root; undefined where the file system does not say, as ramfs, which has
   * no size.
   */
  freeBytes(path: string): bigint | undefined;
  setOwner(fd: number, uid: number, gid: number): void;
  setMode(fd: number, mode: number): void;
  /**
   * What a file system has refused since this was last asked and no content depends on, as `fsync (EINVAL)`:
   * owner, mode and fsync of `replace`, `matchOwner` and `sync`. Some shares have none of them.
   */
  takeRefused(): string[];
  /**
   * Below FOLDER, never outside it: give the file that WRITE fills all of NAMES (relative, bytes). Names that
   * are there already stay what they are, and the missing ones become theirs.
   * @param check gets the statfs(2) f_type of each folder before anything is made in any; throws where
   * nothing may be
   * @returns what had to be made: nothing, links, or the whole file
   */
  makeNames(
    folder: string,
    names: readonly Buffer[],
    check: (magic: bigint) => void,
    write: (fd: number) => Promise<void>,
  ): Promise<'nothing' | 'links' | 'file'>;
  /**
   * lstat of NAME (relative; empty for the mount point itself) on a mount of ours; undefined where nothing
   * has that name. Follows no link out of the mount. @throws EXDEV where another mount is in the way, so that
   * nobody can say
   */
  statOn(mount: Mount, name: Buffer): FileStat | undefined;
  /** Where a path that may be a magic link (/proc/self/fd/4) really is, for messages. */
  realPath(path: string): string;
}

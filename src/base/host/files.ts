import type { Bound } from '../bounds.js';
import type { FileStat } from './file-stat.js';
import type { Mount } from './mount.js';

/** `durable`: file and directory are fsynced, so that they also survive a power failure. */
export interface Durability {
  durable: boolean;
}

export interface Replacement extends Durability {
  /** The mode of a file that did not exist; 0600 if none is given. */
  mode?: number;
}

/** A folder that `makeNames` may make. */
export interface MakeableFolder {
  /** Relative, without `.` and `..`. */
  name: Buffer;
  mode: number;
  uid: number;
  gid: number;
}

/** Our own files: image directories, records. Paths are text, because we made them. */
export interface Files extends FolderLocks {
  /**
   * Do WORK, which must be finished when it returns. During WORK one of our own folders is opened once for
   * all its files, and not once for each file; an open takes longer than a rename.
   */
  holding<T>(folder: string, work: () => T): T;
  /** The whole file. @throws the bound's code where it is larger, before anything is read */
  read(path: string, bound: Bound): Buffer;
  /** At most BYTES from the start, for files that may be too large to read whole. */
  readStart(path: string, bytes: number): Buffer;
  readIfThere(path: string, bound: Bound): Buffer | undefined;
  exists(path: string): boolean;
  list(path: string): string[];
  makeDirectory(path: string, mode?: number): void;
  /**
   * Open a folder, for paths below /proc/self/fd/N. It is made with mode 0700 where it does not exist. A
   * symbolic link on the way is followed only where only root and we ourselves could have made it. The caller
   * closes the descriptor.
   */
  openFolder(path: string): number;
  /**
   * Create a file that must not exist, for reading and writing; MODE as umask(2) allows, 0600 if none is
   * given.
   */
  create(path: string, mode?: number): number;
  /** For reading. */
  open(path: string): number;
  /** For reading and writing. @throws where the file has other names, too */
  openWritable(path: string): number;
  close(fd: number): void;
  stat(fd: number): FileStat;
  /** lstat */
  statPath(path: string): FileStat;
  /**
   * Write a new file beside PATH and rename it over PATH, so that a reader sees all of it or none. It keeps
   * mode and owner of the file it replaces. Durable unless HOW says otherwise.
   */
  replace(path: string, bytes: Uint8Array, how?: Replacement): void;
  rename(from: string, to: string): void;
  /**
   * Renames many files, each from a path to another. All old names are in one folder, and all new names are
   * in one.
   * @returns the number of files that were renamed; it ends at the first that cannot be
   */
  renameMany(files: readonly (readonly [from: string, to: string])[]): number;
  /** Like rename, but a file that already has the name stays, and the call throws EEXIST. */
  renameNew(from: string, to: string): void;
  /**
   * flock(2) without waiting: false where another process has the lock, undefined where the file system has
   * no such locks. Closing FD releases it.
   */
  tryLock(fd: number): boolean | undefined;
  /** Give PATHS the mode and owner of LIKE. All PATHS must have been made with one mode and owner. */
  matchOwner(paths: readonly string[], like: string): void;
  remove(path: string): void;
  removeTree(path: string): void;
  /** rmdir(2): a folder that is not empty, or not there, stays as it is. @returns whether it was removed */
  removeEmpty(folder: string): boolean;
  /** fsync(2) of a file. */
  sync(path: string): void;
  syncFolder(path: string): void;
  /** Cut a file off at its beginning, which gives its room back at once. */
  empty(fd: number): void;
  /** fsync(2) of a descriptor, on a thread of its own. */
  flush(fd: number): Promise<void>;
  /**
   * Free bytes for users other than root; undefined where the file system does not say (ramfs, for example,
   * has no size).
   */
  freeBytes(path: string): bigint | undefined;
  setOwner(fd: number, uid: number, gid: number): void;
  setMode(fd: number, mode: number): void;
  /** Give a file the mode that `create` would give it now: MODE as umask(2) allows. */
  setNewMode(fd: number, mode: number): void;
  /**
   * Operations that a file system has refused since the last call, as `fsync (EINVAL)`: owner, mode and fsync
   * of `replace`, `matchOwner` and `sync`. No content depends on them, and some shares support none of them.
   */
  takeRefused(): string[];
  /**
   * Below FOLDER, and never outside it, give a file all of NAMES (relative, bytes). If some of them exist,
   * the missing ones are linked to their file; else WRITE fills a new file. Existing names stay as they are.
   * @param check gets the statfs(2) f_type of each folder before anything is made in it; it throws where
   * nothing may be made
   * @param makeable folders that are made where they are missing
   * @returns what had to be made: nothing, links, or the whole file
   */
  makeNames(
    folder: string,
    names: readonly Buffer[],
    check: (magic: bigint) => void,
    write: (fd: number) => Promise<void>,
    makeable?: readonly MakeableFolder[],
  ): Promise<'nothing' | 'links' | 'file'>;
  /**
   * lstat of NAME (relative; empty for the mount point itself) on one of our own mounts; undefined where no
   * file has that name. Follows no link out of the mount. @throws EXDEV where another mount is in the way, so
   * that the answer cannot be known
   */
  statOn(mount: Mount, name: Buffer): FileStat | undefined;
  /** The real path of a path that may be a magic link (/proc/self/fd/4), for messages. */
  realPath(path: string): string;
}

/** Locks on folders, so that only one process at a time writes there. */
export interface FolderLocks {
  /**
   * Lock FOLDER until FD is closed or this process ends, in whatever way. Others who ask for this lock do not
   * get it. PATH leads to that folder even if its name changes.
   * @returns undefined where another process has the lock. @throws an errno error where the folder cannot be
   * locked at all
   */
  lock(folder: string): { fd: number; path: string } | undefined;
  /**
   * The process that has locked FOLDER: one of FAMILY, else the process that made the lock. Undefined where
   * the system does not tell.
   */
  lockHolder(folder: string, family: readonly number[]): number | undefined;
}

import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Bound } from '../../base/bounds.js';
import { errnoOf } from '../../base/errors.js';
import type { FileStat, Files, Replacement } from '../../base/host/host.js';
import { closeWritten, tryLock } from '../native/libc.js';
import { randomHex } from '../native/random.js';
import { renameNew } from '../native/rename-new.js';
import { toFileStat } from '../native/stat.js';
import { holdFolder, renameMany } from './in-place.js';
import { lockFolder, lockHolder } from './lock.js';
import { makeNames } from './make-names.js';
import { openFolder } from './open-folder.js';
import { hasOtherNames, openOnlyName, openRegular } from './open-regular.js';
import { readBounded } from './read-bounded.js';
import { noFsync, noOwners, noStatfs } from './refusals.js';
import { removeEmpty, removeTree } from './remove-tree.js';
import { statOn } from './stat-on.js';

const { O_CREAT, O_EXCL, O_RDWR, O_RDONLY, O_WRONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = fs.constants;

const fsync = promisify(fs.fsync);

/** Image directories are untrusted input: no symbolic link is followed in their last component. */
export class LinuxFiles implements Files {
  readonly #refused = new Set<string>();

  /** @param name for messages */
  read(file: string, bound: Bound, name = file): Buffer {
    const fd = this.open(file);
    try {
      return readBounded(fd, () => this.realPath(name), bound);
    } finally {
      fs.closeSync(fd);
    }
  }

  readStart(file: string, bytes: number): Buffer {
    const fd = this.open(file);
    try {
      const buffer = Buffer.alloc(bytes);
      return buffer.subarray(0, fs.readSync(fd, buffer, 0, bytes, 0));
    } finally {
      fs.closeSync(fd);
    }
  }

  readIfThere(file: string, bound: Bound): Buffer | undefined {
    try {
      return this.read(file, bound);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  makeNames = makeNames;
  holding = holdFolder;
  renameMany = renameMany;
  lockHolder = lockHolder;
  removeEmpty = removeEmpty;
  statOn = statOn;
  empty = (fd: number) => fs.ftruncateSync(fd, 0);

  exists(file: string): boolean {
    try {
      return fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;
    } catch {
      return false;
    }
  }

  list(folder: string): string[] {
    return fs.readdirSync(folder);
  }

  makeDirectory(folder: string, mode = 0o700): void {
    try {
      fs.mkdirSync(folder, { mode });
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EEXIST' && isFolder(folder)) return;
      const parent = path.dirname(folder);
      // mkdir with `recursive` never ends below /proc in Node 20, so each parent is made here.
      if (errno !== 'ENOENT' || parent === folder || fs.existsSync(parent)) throw error;
      this.makeDirectory(parent, mode);
      this.makeDirectory(folder, mode);
    }
  }

  openFolder(folder: string): number {
    return openFolder(folder, process.getuid?.() ?? 0);
  }

  create(file: string, mode = 0o600): number {
    return fs.openSync(file, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, mode);
  }

  open(file: string): number {
    return openRegular(file, O_RDONLY);
  }

  openWritable(file: string): number {
    return openOnlyName(file);
  }

  close(fd: number): void {
    closeWritten(fd);
  }

  stat(fd: number): FileStat {
    return toFileStat(fs.fstatSync(fd, { bigint: true }));
  }

  statPath(file: string): FileStat {
    return toFileStat(fs.lstatSync(file, { bigint: true }));
  }

  replace(file: string, bytes: Uint8Array, { durable, mode }: Replacement = { durable: true }): void {
    const temporary = `${file}.${randomHex(6)}.tmp`;
    const fd = fs.openSync(temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
    try {
      try {
        writeAll(fd, bytes);
        if (mode !== undefined) fs.fchmodSync(fd, mode);
        this.#keepOwner(file, fd);
        if (durable) this.#fsync(fd);
      } finally {
        closeWritten(fd);
      }
      fs.renameSync(temporary, file);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
    if (durable) this.syncFolder(path.dirname(file));
  }

  matchOwner(paths: readonly string[], like: string): void {
    const last = paths.at(-1);
    const wanted = fs.lstatSync(like);
    if (!wanted.isFile()) throw Object.assign(new Error(`${like} is not a regular file`), { code: 'EINVAL' });
    // Nearly always all files have this owner already, so we look at the last one only: an interrupted run
    // has changed the first files, and not yet the last.
    if (last === undefined || isSameOwner(fs.lstatSync(last), wanted)) return;
    for (const file of paths) {
      const fd = this.open(file);
      try {
        if (fs.fstatSync(fd).nlink > 1) throw hasOtherNames(file);
        this.#giveOwner(fd, wanted);
      } finally {
        fs.closeSync(fd);
      }
    }
  }

  lock(folder: string): { fd: number; path: string } | undefined {
    const fd = lockFolder(folder);
    return fd === undefined ? undefined : { fd, path: `/proc/self/fd/${fd}` };
  }

  rename(from: string, to: string): void {
    fs.renameSync(from, to);
  }

  renameNew(from: string, to: string): void {
    renameNew(from, to);
  }

  tryLock(fd: number): boolean | undefined {
    return tryLock(fd);
  }

  remove(file: string): void {
    fs.rmSync(file, { force: true });
  }

  removeTree(folder: string): void {
    removeTree(folder);
  }

  sync(file: string): void {
    const fd = openRegular(file, O_RDONLY);
    try {
      this.#fsync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  syncFolder(folder: string): void {
    const fd = fs.openSync(folder, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    try {
      this.#fsync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  async flush(fd: number): Promise<void> {
    try {
      await fsync(fd);
    } catch (error) {
      this.#refuse('fsync', noFsync, error);
    }
  }

  freeBytes(folder: string): bigint | undefined {
    try {
      const { blocks, bavail, bsize } = fs.statfsSync(folder, { bigint: true });
      // A file system of 0 blocks tells no size: ramfs, tmpfs without a limit, a FUSE server without statfs.
      // Source: simple_statfs().
      return blocks === 0n ? undefined : bavail * bsize;
    } catch (error) {
      if (noStatfs.has(errnoOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  setOwner(fd: number, uid: number, gid: number): void {
    const old = fs.fstatSync(fd);
    // Some shares know no owners, and refuse to set even the owner that the file already has.
    if (old.uid !== uid || old.gid !== gid) fs.fchownSync(fd, uid, gid);
  }

  setMode(fd: number, mode: number): void {
    if ((fs.fstatSync(fd).mode & 0o7777) !== mode) fs.fchmodSync(fd, mode);
  }

  setNewMode(fd: number, mode: number): void {
    this.#attempt('mode', noOwners, () => this.setMode(fd, mode & ~process.umask()));
  }

  takeRefused(): string[] {
    const refused = [...this.#refused].sort();
    this.#refused.clear();
    return refused;
  }

  /** Gives the new file the owner and mode of the one it replaces, so that the same users can read it. */
  #keepOwner(file: string, fd: number): void {
    const old = fs.lstatSync(file, { throwIfNoEntry: false });
    if (old?.isFile()) this.#giveOwner(fd, old);
  }

  /**
   * The file has had mode 0600 so far. If a change is refused here, the file stays more private than it
   * should be, and never becomes less private.
   */
  #giveOwner(fd: number, { uid, gid, mode }: fs.Stats): void {
    this.#attempt('owner', noOwners, () => this.setOwner(fd, uid, gid));
    this.#attempt('mode', noOwners, () => this.setMode(fd, mode & 0o7777));
  }

  /**
   * A server may refuse fsync. By then the kernel has sent it all data of the file, and a write that failed
   * would be reported by another error.
   */
  #fsync(fd: number): void {
    this.#attempt('fsync', noFsync, () => fs.fsyncSync(fd));
  }

  #attempt(what: string, mayBeRefusedBy: ReadonlySet<string>, apply: () => void): void {
    try {
      apply();
    } catch (error) {
      this.#refuse(what, mayBeRefusedBy, error);
    }
  }

  #refuse(what: string, mayBeRefusedBy: ReadonlySet<string>, error: unknown): void {
    const errno = errnoOf(error) ?? '';
    if (!mayBeRefusedBy.has(errno)) throw error;
    this.#refused.add(`${what} (${errno})`);
  }

  realPath(file: string): string {
    try {
      return fs.realpathSync.native(file);
    } catch {
      return file;
    }
  }
}

/** Our working folder must be a folder and no link to one. A folder that the user named may be a link. */
function isFolder(file: string): boolean {
  return (path.basename(file) === 'ghostkeep' ? fs.lstatSync(file) : fs.statSync(file)).isDirectory();
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.byteLength) done += fs.writeSync(fd, bytes, done);
}

function isSameOwner(one: fs.Stats, other: fs.Stats): boolean {
  return one.uid === other.uid && one.gid === other.gid && one.mode === other.mode;
}

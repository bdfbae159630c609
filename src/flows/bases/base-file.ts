/**
 * A base is written, renamed and removed only by whoever holds its flock(2). Nobody waits for that lock: who
 * does not get it at once leaves the base alone. So a writer that is stopped in the middle keeps its lock,
 * and cannot write later into an image that a dump has taken over.
 */
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { FileStat, Files } from '../../base/host/host.js';
import { folder } from '../../image/layout.js';
import { holdsCheckpoint } from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';

/** A base with our lock on it, until FD is closed. */
export interface HeldBase {
  /** The path that the base has now. */
  path: string;
  fd: number;
  stat: FileStat;
}

/**
 * Locks the base at IMAGES/NAME. It must be a regular file of ours with this one name, in a folder that only
 * we can write to.
 * @returns undefined if there is none, or none that may be used; the log says why
 */
export function holdBase(context: Context, images: string, name: string): HeldBase | undefined {
  const { host, log } = context;
  const path = `${images}/${name}`;
  let fd: number | undefined;
  try {
    if (!isOwnFolder(context, images)) return undefined;
    fd = host.files.openWritable(path);
    const stat = host.files.stat(fd);
    const why = whyNot(context, path, fd, stat);
    if (why === undefined) return { path, fd, stat };
    log.info(`the base ${path} is left alone: ${why}`);
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    if (errnoOf(error) !== 'ENOENT') log.info(`the base ${path} is left alone: ${reasonOf(error)}`);
  }
  if (fd !== undefined) host.files.close(fd);
  return undefined;
}

function whyNot({ host }: Context, path: string, fd: number, stat: FileStat): string | undefined {
  if (stat.uid !== host.uid()) return `it belongs to user ${stat.uid}`;
  const locked = host.files.tryLock(fd);
  if (locked !== true) return locked === false ? 'somebody writes it' : 'it cannot be locked';
  // Whoever had the lock before us may have renamed or removed the base since we opened it.
  return isStillAt(host.files, path, stat) ? undefined : 'it was taken meanwhile';
}

/** Is PATH the only name of this inode? */
export function isStillAt(files: Files, path: string, { dev, ino }: FileStat): boolean {
  try {
    const there = files.statPath(path);
    return there.dev === dev && there.ino === ino && there.nlink === 1;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

/**
 * Makes an empty base at IMAGES/NAME and locks it. The caller owns IMAGES. @returns undefined if somebody
 * else has locked it first, or the file system has no such locks
 */
export function makeBase({ host: { files }, log }: Context, images: string, name: string) {
  const path = `${images}/${name}`;
  // Only we may read a base. A dump that takes it over gives it the mode of the dump's images (Bases.take).
  const fd = files.create(path, 0o600);
  try {
    const locked = files.tryLock(fd);
    if (locked === true) return { path, fd, stat: files.stat(fd) };
    log.info(
      `there is no base ${path}: ${locked === false ? 'somebody else has taken it' : 'no file can be locked there'}`,
    );
    if (locked === undefined) files.remove(path);
    files.close(fd);
    return undefined;
  } catch (error) {
    files.close(fd);
    throw error;
  }
}

/** Renames a base that we hold. @throws an errno error; EEXIST where something has the name TO */
export function moveBase({ host: { files } }: Context, base: HeldBase, to: string): void {
  files.renameNew(base.path, to);
  // Somebody may have put another file at the old name just before the rename, though no command of ours does
  // that.
  if (!isStillAt(files, to, base.stat))
    throw Object.assign(new Error(`ESTALE: ${to} is not the base that was locked`), { code: 'ESTALE' });
  base.path = to;
}

/** Removes a base that we hold, if it still has its name, and closes it, which releases the lock. */
export function removeBase({ host: { files } }: Context, { path, fd, stat }: HeldBase): void {
  try {
    if (isStillAt(files, path, stat)) files.remove(path);
  } finally {
    files.close(fd);
  }
}

/**
 * Makes the folder for bases in IMAGES. A directory that holds a checkpoint gets no such folder: the
 * directory must stay flat, and its next owner would take bases in it for the leftovers of a killed dump. The
 * caller owns IMAGES.
 * @throws BAD_INPUT, PERMISSION
 */
export function prepareFolder(context: Context, images: string): void {
  const { files } = context.host;
  const where = files.realPath(images);
  if (holdsCheckpoint(files, images))
    throw new GhostkeepError(
      'BAD_INPUT',
      where,
      `cannot put bases into ${where}: it holds a checkpoint; choose another directory`,
    );
  files.makeDirectory(`${images}/${folder}`);
  if (isOwnFolder(context, images)) return;
  throw new GhostkeepError(
    'PERMISSION',
    where,
    `cannot put bases into ${where}/${folder}: it belongs to somebody else, or others may write to it; correct its owner and mode, or choose another directory`,
  );
}

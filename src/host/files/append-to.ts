import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import { tryLock } from '../native/libc.js';
import { openRegular } from './open-regular.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants;

/** If somebody renames the file each time while we open it, we give up after this many attempts. */
const mostAttempts = 100;

/**
 * Appends BYTES to a file in a folder that anybody may write to, and makes the file, with mode 0600, where it
 * does not exist. Nothing is written unless the file is a regular file that has no other name. Somebody else
 * may rename the file at any time: the bytes are then in the renamed file or in a new one.
 * @param mostBytes a file that has grown so large gets the name FILE.old first, in place of an earlier one
 */
export function appendTo(file: string, bytes: Uint8Array, mostBytes?: number): void {
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    const fd = openOrMake(file);
    if (fd === undefined) continue;
    try {
      const { nlink, size } = fs.fstatSync(fd);
      if (nlink > 1) return;
      if (nlink === 0 || (mostBytes !== undefined && size >= mostBytes && setAside(file, fd))) continue;
      fs.writeSync(fd, bytes);
      return;
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** @returns undefined where somebody else has made the file meanwhile */
function openOrMake(file: string): number | undefined {
  try {
    return openRegular(file, O_WRONLY | O_APPEND);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  try {
    return fs.openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return undefined;
  }
}

/**
 * Renames FILE, which is open as FD, to FILE.old. Only the process that has the lock on it does this, so that
 * nobody renames the new file that another process has made in its place.
 * @returns false where the file keeps its name
 */
function setAside(file: string, fd: number): boolean {
  try {
    if (tryLock(fd) !== true) return false;
    const [ours, named] = [fs.fstatSync(fd, { bigint: true }), fs.lstatSync(file, { bigint: true })];
    if (ours.dev === named.dev && ours.ino === named.ino) fs.renameSync(file, `${file}.old`);
    return true;
  } catch {
    return false;
  }
}

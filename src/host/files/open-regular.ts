/**
 * Opening a FIFO waits, opening a device can have effects, and a link may lead anywhere. So the file is first
 * opened with O_PATH, which does nothing to it, then examined and opened through that descriptor. Whoever
 * changes names meanwhile, we open the file that we examined.
 */
import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';

export const pathOnly = 0o10000000; // O_PATH, which Node does not name
const { O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;

/** @param flags of open(2); O_NONBLOCK and O_NOCTTY are added @returns a descriptor that the caller closes */
export function openRegular(file: string, flags: number): number {
  const held = fs.openSync(file, pathOnly | O_NOFOLLOW);
  try {
    return reopenRegular(held, flags, file);
  } finally {
    fs.closeSync(held);
  }
}

/**
 * Open the file of descriptor HELD, which was made with O_PATH. @param file for the message. @throws ELOOP,
 * EINVAL
 */
export function reopenRegular(held: number, flags: number, file: string): number {
  const stat = fs.fstatSync(held);
  if (stat.isSymbolicLink())
    throw failure('ELOOP', `${file} is a symbolic link, and ghostkeep follows none there`);
  if (!stat.isFile()) throw failure('EINVAL', `${file} is not a regular file`);
  return naming(file, `/proc/self/fd/${held}`, place => fs.openSync(place, flags | O_NONBLOCK | O_NOCTTY));
}

/** ACT on PLACE, which is another path of FILE. Error messages name FILE. */
export function naming<T>(file: string, place: string, act: (place: string) => T): T {
  try {
    return act(place);
  } catch (error) {
    if (error instanceof Error && errnoOf(error) !== undefined)
      error.message = error.message.replaceAll(place, file);
    throw error;
  }
}

/** Opens a file that has no other name, for reading and writing. @throws EMLINK, and as openRegular */
export function openOnlyName(file: string): number {
  const fd = openRegular(file, fs.constants.O_RDWR);
  if (fs.fstatSync(fd).nlink === 1) return fd;
  fs.closeSync(fd);
  throw hasOtherNames(file);
}

function failure(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

/**
 * The error for a file with other names. Some backups hard-link equal files. Reading such a file is safe, but
 * a change would change it under all its names.
 */
export function hasOtherNames(file: string): NodeJS.ErrnoException {
  const message = `EMLINK: ${file} has other names, so that it is not changed; copy it (cp --reflink=auto)`;
  return Object.assign(new Error(message), { code: 'EMLINK' });
}

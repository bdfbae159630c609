/**
 * Opening a FIFO waits, opening a device acts, and a link leads anywhere. So what has the name is first held
 * by a descriptor that acts on nothing, looked at through it, and opened through it: what is opened is what
 * was looked at, whoever changes names meanwhile.
 */
import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';

export const pathOnly = 0o10000000; // O_PATH, which Node does not name
const { O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;

/** The caller closes it. @param flags of open(2); O_NONBLOCK and O_NOCTTY are added */
export function openRegular(file: string, flags: number): number {
  const held = fs.openSync(file, pathOnly | O_NOFOLLOW);
  try {
    return reopenRegular(held, flags, file);
  } finally {
    fs.closeSync(held);
  }
}

/** What the descriptor HELD, made with O_PATH, is on. @param file for the message. @throws ELOOP, EINVAL */
export function reopenRegular(held: number, flags: number, file: string): number {
  const stat = fs.fstatSync(held);
  if (stat.isSymbolicLink()) throw failure('ELOOP', `${file} is a symbolic link, and none is followed there`);
  if (!stat.isFile()) throw failure('EINVAL', `${file} is not a regular file`);
  return naming(file, `/proc/self/fd/${held}`, place => fs.openSync(place, flags | O_NONBLOCK | O_NOCTTY));
}

/** ACT on PLACE, which is another path of FILE: errors name FILE. */
export function naming<T>(file: string, place: string, act: (place: string) => T): T {
  try {
    return act(place);
  } catch (error) {
    if (error instanceof Error && errnoOf(error) !== undefined)
      error.message = error.message.replaceAll(place, file);
    throw error;
  }
}

function failure(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

/**
 * Backups link equal files: such a file may be read. Whoever changes it changes it wherever it has a name.
 */
export function hasOtherNames(file: string): NodeJS.ErrnoException {
  const message = `EMLINK: ${file} has other names, so that it is not changed; copy it (cp --reflink=auto)`;
  return Object.assign(new Error(message), { code: 'EMLINK' });
}

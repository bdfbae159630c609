/**
 * Remove a folder and its contents through descriptors. If somebody replaces a folder inside it by a link
 * meanwhile, nothing is removed elsewhere.
 */
import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import { pathOnly } from './open-regular.js';

const { O_DIRECTORY, O_NOFOLLOW } = fs.constants;
/**
 * We go this many levels deep. Each level holds a descriptor open. Our own folders are at most five levels
 * deep.
 */
const mostLevels = 64;

/**
 * Removes FILE and, if it is a folder, all that is in it. It is no error if FILE does not exist. If FILE is a
 * link, the link is removed and not followed.
 */
export function removeTree(file: string | Buffer, level = 0): void {
  const folder = openIfFolder(file);
  if (folder === 'nothing') return;
  if (folder === 'no folder') {
    fs.rmSync(file, { force: true });
    return;
  }
  try {
    if (level === mostLevels)
      throw Object.assign(new Error(`ELOOP: ${String(file)} is too deep`), { code: 'ELOOP' });
    const place = `/proc/self/fd/${folder}/`;
    for (const name of fs.readdirSync(place, 'buffer'))
      removeTree(Buffer.concat([Buffer.from(place), name]), level + 1);
  } finally {
    fs.closeSync(folder);
  }
  fs.rmdirSync(file);
}

/** Removes a folder if it is empty. It stays where another process has put something into it meanwhile. */
export function removeEmpty(folder: string): boolean {
  try {
    fs.rmdirSync(folder);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

function openIfFolder(file: string | Buffer): number | 'nothing' | 'no folder' {
  try {
    return fs.openSync(file, pathOnly | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'ENOENT') return 'nothing';
    if (['ENOTDIR', 'ELOOP'].includes(errno)) return 'no folder';
    throw error;
  }
}

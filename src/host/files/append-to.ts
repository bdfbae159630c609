import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import { openRegular } from './open-regular.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants;

/**
 * Appends BYTES to a file in a folder that anybody may write to, and makes the file where it does not exist.
 * Nothing is written unless the file is a regular file that has no other name.
 */
export function appendTo(file: string, bytes: Uint8Array): void {
  const fd = openOrMake(file);
  try {
    if (fs.fstatSync(fd).nlink === 1) fs.writeSync(fd, bytes);
  } finally {
    fs.closeSync(fd);
  }
}

function openOrMake(file: string): number {
  try {
    return openRegular(file, O_WRONLY | O_APPEND);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return fs.openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }
}

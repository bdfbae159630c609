import fs from 'node:fs';
import { createMemfd } from '../native/libc.js';

/** The device that all memfds are on. @returns undefined where the kernel makes no memfds */
export function devOfMemfd(): bigint | undefined {
  const fd = createMemfd('ghostkeep');
  if (fd === undefined) return undefined;
  try {
    return fs.fstatSync(fd, { bigint: true }).dev;
  } finally {
    fs.closeSync(fd);
  }
}

import fs from 'node:fs';
import { borrow } from './borrow.js';
import { isLeased } from './leases.js';
import { openAsOwner } from './native.js';

const noAtime = 0o1000000; // O_NOATIME, which node:fs only names where the build knew it
export const pathOnly = 0o10000000; // O_PATH
const { O_RDONLY, O_RDWR, O_NONBLOCK, O_NOCTTY } = fs.constants;

/** Open what a link of /proc leads to, so that it cannot vanish. Acts on nothing but regular files. */
export function openToPin(link: string, writable = false): number {
  // Opening a FIFO waits and opening a device acts: only regular files are ever opened.
  if (!fs.statSync(link).isFile())
    throw Object.assign(new Error(`${link} is not a regular file`), { code: 'EINVAL' });
  if (isLeased(link)) return borrow(link, writable);
  const flags = (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY;
  try {
    return fs.openSync(link, flags | noAtime);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // O_NOATIME is for the owner and CAP_FOWNER (open(2)).
    if (code === 'EPERM') return fs.openSync(link, flags);
    // A server with root_squash: root is nobody there.
    if (code === 'EACCES' && !writable) return asOwner(link, error);
    throw error;
  }
}

function asOwner(link: string, refusal: unknown): number {
  let named: number | undefined;
  try {
    named = fs.openSync(link, pathOnly);
    return openAsOwner(named);
  } catch {
    throw refusal;
  } finally {
    if (named !== undefined) fs.closeSync(named);
  }
}

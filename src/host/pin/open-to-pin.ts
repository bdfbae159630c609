import fs from 'node:fs';
import { pathOnly, reopenRegular } from '../files/open-regular.js';
import { openAsOwner } from '../native/call.js';
import { borrow } from './borrow.js';
import { isLeased } from './leases.js';

const noAtime = 0o1000000; // O_NOATIME, which node:fs names only if its build knew it
const { O_RDONLY, O_RDWR } = fs.constants;

/**
 * Open the file that a link of /proc leads to, so that it cannot vanish. The link may lead to another file
 * than when the caller looked, so the caller compares the opened file with the one it looked for.
 */
export function openToPin(link: string, writable = false): number {
  // Looking at a file must not break a lease: we share the holder's descriptor instead of opening another
  // one.
  if (fs.statSync(link).isFile() && isLeased(link)) return borrow(link, writable);
  const held = fs.openSync(link, pathOnly);
  const flags = writable ? O_RDWR : O_RDONLY;
  try {
    return reopenRegular(held, flags | noAtime, link);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Only the owner and CAP_FOWNER may use O_NOATIME (open(2)).
    if (code === 'EPERM') return reopenRegular(held, flags, link);
    // A server with root_squash gives root the rights of nobody, so we try to open the file as its owner.
    if (code === 'EACCES' && !writable) return asOwner(held, error);
    throw error;
  } finally {
    fs.closeSync(held);
  }
}

function asOwner(held: number, refusal: unknown): number {
  try {
    return openAsOwner(held);
  } catch {
    throw refusal;
  }
}

import fs from 'node:fs';
import { pathOnly, reopenRegular } from '../files/open-regular.js';
import { openAsOwner } from '../native/call.js';
import { borrow } from './borrow.js';
import { isLeased } from './leases.js';

const noAtime = 0o1000000; // O_NOATIME, which node:fs only names where the build knew it
const { O_RDONLY, O_RDWR } = fs.constants;

/**
 * Open what a link of /proc leads to, so that it cannot vanish. Between two looks the link may lead to
 * another file: what is judged is what is held, and whoever asked compares it with what they looked for.
 */
export function openToPin(link: string, writable = false): number {
  // No lease is broken by a look: the holder's own descriptor is taken instead of another one.
  if (fs.statSync(link).isFile() && isLeased(link)) return borrow(link, writable);
  const held = fs.openSync(link, pathOnly);
  const flags = writable ? O_RDWR : O_RDONLY;
  try {
    return reopenRegular(held, flags | noAtime, link);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // O_NOATIME is for the owner and CAP_FOWNER (open(2)).
    if (code === 'EPERM') return reopenRegular(held, flags, link);
    // A server with root_squash: root is nobody there.
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

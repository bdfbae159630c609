import type { Identity } from './host.js';

/**
 * Are these the same inode? A number is used again once its file is gone, so the same device and number, seen
 * twice, may be two files. The time of birth tells them apart where the file system has one.
 */
export function isSameInode(one: Identity, other: Identity): boolean {
  if (one.dev !== other.dev || one.ino !== other.ino) return false;
  const [a, b] = [birthOf(one), birthOf(other)];
  return a === undefined || b === undefined || a === b;
}

/** Undefined where the birth time is not known: it is 0 then. */
export function birthOf({ birthtimeNs }: Pick<Identity, 'birthtimeNs'>): bigint | undefined {
  return birthtimeNs === 0n ? undefined : birthtimeNs;
}

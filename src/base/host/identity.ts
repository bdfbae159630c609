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

/**
 * Undefined where the birth time is not known. statx(2) without STATX_BTIME gives 0. Where there is no statx,
 * libuv gives the time of the last change instead, which moves.
 */
export function birthOf({ birthtimeNs, ctimeNs }: Identity): bigint | undefined {
  return birthtimeNs === 0n || birthtimeNs === ctimeNs ? undefined : birthtimeNs;
}

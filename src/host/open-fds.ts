import fs from 'node:fs';
import type { OpenFds } from '../base/host.js';
import { call } from './native.js';

/** Descriptors a call; one call serves nearly every process. */
const capacity = 16_384;
const wordsPerFile = 3;

/** Kept from one process to the next: what is found is copied out. */
let files: BigUint64Array | undefined;
const suspects = new Uint32Array(capacity);
const counts = new Uint32Array(3);

/** FOLDER is a /proc/PID/fd. @throws an errno error when it cannot be listed */
export function readOpenFds(folder: string): OpenFds {
  files ??= new BigUint64Array(capacity * wordsPerFile);
  const found: number[] = [];
  const others: BigUint64Array[] = [];
  const dirFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    for (;;) {
      call('gk_open_files', dirFd, capacity, files, suspects, counts);
      const [looked, filesCount, suspectsCount] = counts as Iterable<number> as [number, number, number];
      if (looked === 0) return { suspects: found, others: joined(others) };
      found.push(...suspects.subarray(0, suspectsCount));
      if (filesCount > 0) others.push(files.slice(0, filesCount * wordsPerFile));
    }
  } finally {
    fs.closeSync(dirFd);
  }
}

function joined(parts: readonly BigUint64Array[]): BigUint64Array {
  if (parts.length <= 1) return parts[0] ?? new BigUint64Array();
  const all = new BigUint64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

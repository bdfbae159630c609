import fs from 'node:fs';

/**
 * BYTES that nobody can guess, in hexadecimal. Loading node:crypto for this would take a tenth of a hook's
 * time (decision 0009). Source: random(4).
 */
export function randomHex(bytes: number): string {
  if (unused.length < bytes) unused = readRandom(Math.max(bytes, atOnce));
  const random = unused.toString('hex', 0, bytes);
  unused = unused.subarray(bytes);
  return random;
}

/** A dump needs some six bytes four times, so it reads these once. */
const atOnce = 64;
let unused = Buffer.alloc(0);

function readRandom(bytes: number): Buffer<ArrayBuffer> {
  const random = Buffer.alloc(bytes);
  const fd = fs.openSync('/dev/urandom', 'r');
  try {
    if (fs.readSync(fd, random) !== bytes) throw new Error('cannot read /dev/urandom: it ends');
  } finally {
    fs.closeSync(fd);
  }
  return random;
}

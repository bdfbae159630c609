import fs from 'node:fs';

/**
 * BYTES that nobody can guess, in hexadecimal. Loading node:crypto for this would take a tenth of a hook's
 * time (decision 0009). Source: random(4).
 */
export function randomHex(bytes: number): string {
  const random = Buffer.alloc(bytes);
  const fd = fs.openSync('/dev/urandom', 'r');
  try {
    if (fs.readSync(fd, random) !== bytes) throw new Error('cannot read /dev/urandom: it ends');
  } finally {
    fs.closeSync(fd);
  }
  return random.toString('hex');
}

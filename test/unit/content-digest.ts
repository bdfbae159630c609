/** BLAKE3 of bytes, by the engine, which digests files. */
import fs from 'node:fs';
import { moving } from '../../src/host/engine/moving.js';
import { createMemfd } from '../../src/host/native/libc.js';

export function contentDigest(content: Uint8Array): Buffer {
  const fd = createMemfd('digest');
  if (fd === undefined) throw new Error('no memfd');
  try {
    fs.writeSync(fd, content);
    return moving.store.fileDigest(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** BLAKE3 of bytes, by the engine: it digests files, and computes the entries of blocks. */
import fs from 'node:fs';
import { moving } from '../../src/host/engine/moving.js';
import { createMemfd } from '../../src/host/native/libc.js';

function withMemfd<T>(act: (fd: number) => T): T {
  const fd = createMemfd('digest');
  if (fd === undefined) throw new Error('no memfd');
  try {
    return act(fd);
  } finally {
    fs.closeSync(fd);
  }
}

export function contentDigest(content: Uint8Array): Buffer {
  return withMemfd(fd => {
    fs.writeSync(fd, content);
    return moving.store.fileDigest(fd);
  });
}

/** The entry of each block of 16 KiB. */
export function blockEntries(content: Uint8Array): Buffer[] {
  const at = Array.from({ length: Math.ceil(content.length / 16384) }, (_, index) => index * 16384);
  return withMemfd(dataFd =>
    withMemfd(tableFd =>
      at.map(start => {
        const bytes = content.subarray(start, start + 16384);
        return moving.store.write({ dataFd, tableFd }, BigInt(start), bytes).entries;
      }),
    ),
  );
}

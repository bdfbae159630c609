/**
 * Read a file that anybody may have written. Its size is checked through the descriptor, and we read no more
 * than that if the file grows meanwhile.
 */
import fs from 'node:fs';
import type { Bound } from '../../base/bounds.js';
import { GhostkeepError } from '../../base/errors.js';

/** @param name of the file, for the message. @throws the bound's code */
export function readBounded(fd: number, name: () => string, { bytes, code }: Bound): Buffer {
  const { size } = fs.fstatSync(fd);
  if (size > bytes) {
    const reason = `it has ${size} bytes, and at most ${bytes} are read`;
    const file = name();
    throw new GhostkeepError(code, file, `cannot read ${file}: ${reason}`);
  }
  const content = Buffer.allocUnsafe(size);
  let done = 0;
  while (done < size) {
    const got = fs.readSync(fd, content, done, size - done, done);
    if (got === 0) return content.subarray(0, done);
    done += got;
  }
  return content;
}

/**
 * Reads texts of /proc that a process can make as long as it likes: 65,000 mappings of a file with a long
 * path give a gigabyte of maps, and prctl(2) lets a process say where its command line ends.
 */
import fs from 'node:fs';

/** /proc gives a page or so at a time, whatever is asked for. */
const portionBytes = 65_536;

/**
 * A quarter of a million mappings, or a hundred thousand mounts, have shorter texts. To read and parse this
 * much takes seconds, and a container may be frozen meanwhile.
 */
export const mostBytes = 32 << 20;

/** @throws EFBIG where FILE has more than MOST bytes, and other errno errors */
export function readProc(file: string, most = mostBytes): Buffer {
  const { bytes, isWhole } = readStart(file, most);
  if (isWhole) return bytes;
  throw Object.assign(new Error(`EFBIG: ${file} has more than ${most} bytes`), { code: 'EFBIG' });
}

/** execve(2) takes no more than this many bytes where the stack has its usual limit. */
const mostOfWords = 2 << 20;

/** The words of a command line or an environment, the first 2 MiB of them, and what follows the last NUL. */
export function readWords(file: string): string[] {
  return readStart(file, mostOfWords).bytes.toString('utf8').split('\0');
}

/** Reads MOST bytes of FILE at most. */
function readStart(file: string, most: number): { bytes: Buffer; isWhole: boolean } {
  const fd = fs.openSync(file, fs.constants.O_RDONLY);
  try {
    const portions: Buffer[] = [];
    for (let left = most; ; ) {
      const portion = Buffer.allocUnsafe(portionBytes);
      const got = fs.readSync(fd, portion, 0, portionBytes, null);
      portions.push(portion.subarray(0, Math.min(got, left)));
      if (got === 0 || got > left) return { bytes: Buffer.concat(portions), isWhole: got === 0 };
      left -= got;
    }
  } finally {
    fs.closeSync(fd);
  }
}

import { ask } from '../native/call.js';

export interface FolderEntry {
  name: Buffer;
  /** Undefined where the file system does not say it. */
  kind: 'folder' | 'file' | 'other' | undefined;
}

/** Linux reads this many bytes at a time, for some hundred entries. */
const portionBytes = 32_768;

/** Where the fields of an entry begin. Source: getdents64(2), struct linux_dirent64 */
const at = { length: 16, type: 18, name: 19 } as const;

/** The values of d_type that are used. Source: readdir(3) */
const kinds = new Map<number, FolderEntry['kind']>([
  [0, undefined],
  [4, 'folder'],
  [8, 'file'],
]);

/**
 * Gives the entries of a folder, without `.` and `..`, and reads no more of them than the caller takes and a
 * portion. A folder of a container may have millions.
 * @param folderFd is open for reading, and nobody else reads it
 */
export function* entriesOf(folderFd: number): Generator<FolderEntry> {
  const portion = Buffer.alloc(portionBytes);
  const got = new BigUint64Array(1);
  for (;;) {
    ask('gk_read_folder', folderFd, portion, portion.length, got);
    const end = Number(got[0]);
    if (end === 0) return;
    for (let from = 0; from < end; from += portion.readUInt16LE(from + at.length)) {
      const name = from + at.name;
      const entry = Buffer.from(portion.subarray(name, portion.indexOf(0, name)));
      if (entry.equals(dot) || entry.equals(dots)) continue;
      const type = portion.readUInt8(from + at.type);
      yield { name: entry, kind: kinds.has(type) ? kinds.get(type) : 'other' };
    }
  }
}

const dot = Buffer.from('.');
const dots = Buffer.from('..');

/**
 * Images of memory as CRIU writes them, made without a process: a parent with all pages, and a child with
 * some of them, while the others are in the parent. `criu dedup` reads nothing else. CRIU itself could make
 * them only on a kernel that tracks changed pages.
 * Source: CRIU, images/pagemap.proto (flags: 1 in the parent, 4 present), include/magic.h.
 */
import fs from 'node:fs';
import path from 'node:path';

export const pageBytes = 4096;
const magics = Buffer.from([0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56]);
const base = 0x10000000;

/**
 * Writes the images of CONTENT into FOLDER.
 * @param parent a folder with all pages
 * @param has says which pages are here
 */
export function writeMemory(
  folder: string,
  content: Buffer,
  parent?: string,
  has: (page: number) => boolean = () => true,
): void {
  fs.mkdirSync(folder);
  const entries = [entry([[1, 1]])];
  const pages: Buffer[] = [];
  const count = content.length / pageBytes;
  for (let page = 0; page < count; ) {
    const first = page;
    const isHere = has(first);
    while (page < count && has(page) === isHere) page += 1;
    const fields: [number, number][] = [
      [1, base + first * pageBytes],
      [2, page - first],
      ...(isHere ? [] : ([[3, 1]] as [number, number][])),
      [4, isHere ? 4 : 1],
      [5, page - first],
    ];
    entries.push(entry(fields));
    if (isHere) pages.push(content.subarray(first * pageBytes, page * pageBytes));
  }
  fs.writeFileSync(path.join(folder, 'pagemap-1.img'), Buffer.concat([magics, ...entries]));
  fs.writeFileSync(path.join(folder, 'pages-1.img'), Buffer.concat(pages));
  if (parent) fs.symlinkSync(path.relative(folder, parent), path.join(folder, 'parent'));
}

function entry(fields: readonly [number, number][]): Buffer {
  const body = Buffer.from(fields.flatMap(([number, value]) => [number << 3, ...varint(value)]));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    bytes.push((left % 128) + (left >= 128 ? 128 : 0));
    if (left < 128) return bytes;
  }
}

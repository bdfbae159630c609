/** Looks through files.img without decoding it: nearly all of its entries are neither ours nor changed. */
import { collectAfter } from '../base/memory.js';
import { FieldReader } from './field-reader.js';
import { broken, entryPlaces, magic } from './frame.js';

const fdTypeReg = 1;
const fileTypes = 0o170000;
const directory = 0o040000;

/** Garbage is thought of once for this many bytes of entries. */
const collectEvery = 1 << 20;

/** An entry of files.img. START and END are where it lies. */
export interface OpenFile {
  start: number;
  end: number;
  id: number;
  isRegular: boolean;
  /** CRIU writes this part for every file that it opens by a name: regular files, folders, FIFOs. */
  reg: NamedFile | undefined;
}

/** The bytes of its name lie from NAMESTART to NAMEEND; they are a key where the file is external. */
export interface NamedFile {
  nameStart: number;
  nameEnd: number;
  mount: number;
  isExternal: boolean;
  isFolder: boolean;
}

/** @throws CRIU_IMAGE_INVALID */
export function* openFilesIn(files: Buffer): Generator<OpenFile> {
  const reader = new FieldReader(files);
  let collected = 0;
  for (const { start, end } of entryPlaces(files, magic.FILES, 'files.img')) {
    yield readEntry(reader, start, end);
    if (end - collected < collectEvery) continue;
    collectAfter(end - collected);
    collected = end;
  }
}

export function nameIn(files: Buffer, { nameStart, nameEnd }: NamedFile): Buffer {
  return files.subarray(nameStart, nameEnd);
}

/** The same as a text with a character for each byte. */
export function nameText(files: Buffer, { nameStart, nameEnd }: NamedFile): string {
  return files.toString('latin1', nameStart, nameEnd);
}

function readEntry(reader: FieldReader, start: number, end: number): OpenFile {
  const file: OpenFile = { start, end, id: 0, isRegular: false, reg: undefined };
  reader.pos = start;
  try {
    while (reader.next(end)) {
      if (reader.field === 1) file.isRegular = reader.uint32() === fdTypeReg;
      else if (reader.field === 2) file.id = reader.uint32();
      else if (reader.field === 3) {
        file.reg ??= { nameStart: start, nameEnd: start, mount: 0, isExternal: false, isFolder: false };
        readReg(reader, reader.endOfField(end), file.reg);
      } else reader.skip(end);
    }
  } catch (cause) {
    throw broken('files.img', `an entry is not a FileEntry (${(cause as Error).message})`);
  }
  return file;
}

function readReg(reader: FieldReader, end: number, reg: NamedFile): void {
  while (reader.next(end)) {
    if (reader.field === 6) {
      const nameEnd = reader.endOfField(end);
      [reg.nameStart, reg.nameEnd] = [reader.pos, nameEnd];
      reader.pos = nameEnd;
    } else if (reader.field === 7) reg.mount = reader.sint32();
    else if (reader.field === 9) reg.isExternal = reader.bool();
    else if (reader.field === 10) reg.isFolder = (reader.uint32() & fileTypes) === directory;
    else reader.skip(end);
  }
}

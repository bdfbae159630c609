/** Looks through files.img without decoding it: nearly all of its entries are neither ours nor changed. */
import { collectAfter } from '../base/memory.js';
import { FieldReader } from './field-reader.js';
import { broken, entryPlaces, magic } from './frame.js';

const fdTypeReg = 1;
const fileTypes = 0o170000;
const directory = 0o040000;

/** collectAfter() is called once for this many bytes of entries. */
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

/** The bytes of the file's name lie from NAMESTART to NAMEEND. If the file is external, they are a key. */
export interface NamedFile {
  nameStart: number;
  nameEnd: number;
  mount: number;
  isExternal: boolean;
  isFolder: boolean;
}

/**
 * An open file that CRIU shall open by another name of its inode. It needs no remap, because the file exists
 * by that name.
 */
export interface RenamedFile {
  key: string;
  mount: number;
  path: Buffer;
}

/** A removed folder that gets another name, because CRIU could not make it again by its own. */
export interface RenamedFolder {
  mount: number;
  was: Buffer;
  as: Buffer;
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

/** Gives the name as a text with a character for each byte. */
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

/** Gives those of RENAMED whose name no file in files.img has. CRIU would not open these by that name. */
export function lostNames(files: Buffer, renamed: readonly RenamedFile[]): RenamedFile[] {
  if (renamed.length === 0) return [];
  const lost = new Map(renamed.map(file => [file.path.toString('latin1'), file]));
  for (const { reg } of openFilesIn(files)) if (reg) lost.delete(nameText(files, reg));
  return renamed.filter(({ path }) => lost.has(path.toString('latin1')));
}

/** Gives those of KEYS that are still external regular files in files.img. */
export function stillExternal(files: Buffer, keys: Iterable<string>): Set<string> {
  const wanted = new Set(keys);
  const found = new Set<string>();
  for (const { reg } of openFilesIn(files)) {
    const key = reg?.isExternal ? nameText(files, reg) : undefined;
    if (key !== undefined && wanted.has(key)) found.add(key);
  }
  return found;
}

/**
 * Gives removed folders other names. Several folders may have had the same name, and nothing in files.img
 * tells them apart. As all are empty, each of them may get any of the new names for that former name.
 */
export class FolderNames {
  readonly #free = new Map<string, Buffer[]>();
  /** The new name by the folder's mount and its ghost's id; undefined where the folder keeps its name. */
  readonly #given = new Map<string, Buffer | undefined>();

  constructor(
    private readonly files: Buffer,
    folders: readonly RenamedFolder[],
    private readonly mountNamespace: boolean,
  ) {
    if (folders.length === 0) return;
    const given = this.#names();
    for (const { mount, was, as } of folders) {
      // An earlier seal, which was interrupted, has given this name already.
      if (given.has(as.toString('latin1'))) continue;
      const key = this.#key(mount, was.toString('latin1'));
      this.#free.set(key, [...(this.#free.get(key) ?? []), as]);
    }
  }

  /** @param ghostId of the folder, which may be open several times. @returns undefined: the name stays */
  of(reg: NamedFile, ghostId: number): { path: Buffer; mount: number } | undefined {
    if (!reg.isFolder || this.#free.size === 0) return undefined;
    const folder = `${reg.mount} ${ghostId}`;
    if (!this.#given.has(folder))
      this.#given.set(folder, this.#free.get(this.#key(reg.mount, nameText(this.files, reg)))?.shift());
    const path = this.#given.get(folder);
    return path && { path, mount: reg.mount };
  }

  #names(): Set<string> {
    const names = new Set<string>();
    for (const { reg } of openFilesIn(this.files)) if (reg?.isFolder) names.add(nameText(this.files, reg));
    return names;
  }

  /** CRIU writes mount ids only where the processes have a mount namespace of their own. */
  #key(mount: number, name: string): string {
    return `${this.mountNamespace ? mount : ''} ${name}`;
  }
}

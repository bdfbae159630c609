/** Finds the files below a folder that CRIU needs by their names at the restore, as its images say. */
import { FieldReader } from './field-reader.js';
import { nameIn, nameText, type OpenFile, openFilesIn } from './files-image.js';
import { broken } from './frame.js';
import { readRemaps } from './seal-plan.js';

export interface NeededName {
  name: Buffer;
  /** How a process has the file. A socket that is bound makes its own name, and needs only the folder. */
  how: 'opened' | 'watched' | 'bound';
}

/**
 * @param remaps undefined where CRIU wrote no remap-fpath.img
 * @param start the path of the folder, with a slash behind it
 * @returns the names, without those of files that have a remap: CRIU makes these files again
 * @throws CRIU_IMAGE_INVALID
 */
export function namesBelow(files: Buffer, remaps: Buffer | undefined, start: string): NeededName[] {
  const remapped = new Set([...readRemaps(remaps)].map(({ origId }) => origId));
  const found: NeededName[] = [];
  for (const file of openFilesIn(files)) {
    const { id, reg } = file;
    if (reg && !reg.isExternal && !remapped.has(id) && nameText(files, reg).startsWith(start))
      found.push({ name: nameIn(files, reg), how: 'opened' });
    if (reg) continue;
    for (const other of otherNames(files, file)) if (isBelow(other.name, start)) found.push(other);
  }
  return found;
}

const isBelow = (name: Buffer, start: string) => name.subarray(0, start.length).toString('latin1') === start;

/** Fields of a FileEntry. Source: CRIU, images/fdinfo.proto, fsnotify.proto, fh.proto, sk-unix.proto */
const inotify = 13;
const fanotify = 14;
const unixSocket = 16;
/** The numbers of the fields that lead from the watching file to the path of each of its watches. */
const pathsOf: Record<number, number[]> = { [inotify]: [5, 7, 4], [fanotify]: [6, 7, 2, 4] };

function otherNames(files: Buffer, { start, end }: OpenFile): NeededName[] {
  const reader = new FieldReader(files);
  const found: NeededName[] = [];
  reader.pos = start;
  try {
    while (reader.next(end)) {
      const { field } = reader;
      const path = pathsOf[field];
      if (path) {
        const to = reader.endOfField(end);
        for (const name of valuesAt(reader, to, path)) found.push({ name, how: 'watched' });
      } else if (field === unixSocket) {
        const name = boundName(reader, reader.endOfField(end));
        if (name) found.push({ name, how: 'bound' });
      } else reader.skip(end);
    }
  } catch (cause) {
    throw broken('files.img', `an entry is not a FileEntry (${(cause as Error).message})`);
  }
  return found;
}

/**
 * Reads up to END, and gives the bytes that the fields lead to. Each field is in the message of the field
 * before it.
 */
function* valuesAt(reader: FieldReader, end: number, [field, ...deeper]: number[]): Generator<Buffer> {
  while (reader.next(end)) {
    if (reader.field !== field) {
      reader.skip(end);
      continue;
    }
    const to = reader.endOfField(end);
    if (deeper.length > 0) yield* valuesAt(reader, to, deeper);
    else yield reader.bytes.subarray(reader.pos, to);
    reader.pos = to;
  }
}

/** A name without a slash at its beginning is relative to the folder. An abstract name begins with a NUL. */
function boundName(reader: FieldReader, end: number): Buffer | undefined {
  let [name, folder, isGone] = [Buffer.alloc(0), Buffer.alloc(0), false];
  while (reader.next(end)) {
    if (reader.field === 15) isGone = reader.bool();
    else if (reader.field === 11 || reader.field === 14) {
      const isName = reader.field === 11;
      const to = reader.endOfField(end);
      const value = Buffer.from(reader.bytes.subarray(reader.pos, to));
      if (isName) name = value;
      else folder = value;
      reader.pos = to;
    } else reader.skip(end);
  }
  if (isGone || name.length === 0 || name[0] === 0) return undefined;
  const nul = name.indexOf(0);
  const path = nul < 0 ? name : name.subarray(0, nul);
  return path[0] === 0x2f || folder.length === 0 ? path : Buffer.concat([folder, Buffer.from('/'), path]);
}

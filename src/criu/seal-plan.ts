/**
 * Computes a seal: it turns CRIU's external entries into the entries that CRIU itself would have written for
 * a ghost. The functions are pure: image bytes in, image bytes out. Entries that are not ours keep every
 * byte.
 */
import { bounds } from '../base/bounds.js';
import { collectAfter } from '../base/memory.js';
import { FieldReader } from './field-reader.js';
import {
  FolderNames,
  type NamedFile,
  nameIn,
  nameText,
  openFilesIn,
  type RenamedFile,
  type RenamedFolder,
} from './files-image.js';
import { broken, entryPlaces, ImageWriter, joinImage, magic } from './frame.js';
import { decode, encode } from './message.js';
import { fileEntry, remapFilePathEntry } from './messages.js';
import { orderRemaps } from './remap-order.js';

const fdTypeReg = 1;
const remapTypeGhost = 1;

/** A ghost that is an external file in files.img. */
export interface ExternalGhost {
  /** The remap id; in hexadecimal it is the ID in the name ghost-file-ID.img. */
  id: number;
  paths: RenamedFile[];
}

export interface SealPlan {
  files: Buffer;
  remaps: Buffer;
  /** Number of entries in files.img that this seal has changed back. */
  turned: number;
  /**
   * Ghosts that CRIU dumped itself: they are in the remaps, and not among the ghosts that were given. Each
   * has its id as the key, and the name of a file of it.
   */
  adopted: Map<number, { path: Buffer; mount: number }>;
  /** The number of adopted ghosts where they are too many to be listed; then `adopted` has none. */
  tooManyAdopted: number;
}

/** Adopted ghosts are listed for information only, and each takes as much memory as a ghost of ours. */
const mostAdopted = 10_000;
/**
 * Each remap is an object in memory. A manifest has room for 40,000 ghosts, and several files, each with its
 * own remap, may share a ghost.
 */
const mostRemaps = 200_000;
/** Folders without a name are put in order by their paths. That takes three times the length of the paths. */
const mostFolders = 100_000;

/** @param remaps undefined where CRIU wrote no remap-fpath.img */
export function planSeal(
  files: Buffer,
  remaps: Buffer | undefined,
  ghosts: readonly ExternalGhost[],
  { mountNamespace }: { mountNamespace: boolean },
  renamed: readonly RenamedFile[] = [],
  folders: readonly RenamedFolder[] = [],
): SealPlan {
  const byKey = new Map<string, Turn>();
  for (const place of renamed) byKey.set(place.key, { place });
  for (const { id, paths } of ghosts) for (const place of paths) byKey.set(place.key, { place, ghostId: id });
  const criuRemaps = [...readRemaps(remaps)];
  const folderNames = new FolderNames(files, folders, mountNamespace);
  const turned = turnFiles(files, criuRemaps, byKey, folderNames, mountNamespace);
  collectAfter(files.length);
  const ourIds = new Set(ghosts.map(ghost => ghost.id));
  const isSealed = ({ isGhost, remapId }: Remap) => isGhost && ourIds.has(remapId);
  const isAdopted = (remap: Remap) => remap.isGhost && !isSealed(remap) && turned.remapped.has(remap.origId);
  const nameOf = (id: number) => {
    const reg = turned.remapped.get(id);
    return reg && { path: nameIn(files, reg), mount: reg.mount };
  };
  const folderOf = ({ isGhost, origId }: Remap) => {
    const reg = isGhost ? turned.remapped.get(origId) : undefined;
    return reg?.isFolder ? nameText(files, reg) : undefined;
  };
  const ordered = orderRemaps(
    [...criuRemaps, ...turned.added].map(remap => ({
      entry: remap,
      ours: remap.at === undefined || isSealed(remap),
      folder: folderOf(remap),
    })),
  );
  return {
    files: turned.files,
    remaps: writeRemaps(remaps, ordered),
    turned: turned.count,
    ...findAdopted(criuRemaps.filter(isAdopted), nameOf),
  };
}

/** An external entry becomes a file with a name, and gets a remap to the ghost where there is an id. */
interface Turn {
  place: RenamedFile;
  ghostId?: number;
}

/**
 * The rewritten files.img, which has names where it had external entries; the remaps that these entries need;
 * and the entries that had a remap before.
 */
interface TurnedFiles {
  files: Buffer;
  count: number;
  added: Remap[];
  /** The files that had a remap before, by their ids. Their names lie in the files.img before the seal. */
  remapped: Map<number, NamedFile>;
}

function turnFiles(
  files: Buffer,
  criuRemaps: readonly Remap[],
  byKey: ReadonlyMap<string, Turn>,
  folderNames: FolderNames,
  mountNamespace: boolean,
): TurnedFiles {
  const remapOf = new Map(criuRemaps.map(remap => [remap.origId, remap]));
  const added: Remap[] = [];
  const remapped: TurnedFiles['remapped'] = new Map();
  let folders = 0;
  let count = 0;
  const sealed = new ImageWriter(magic.FILES, 'files.img', files.length, bounds.files.bytes);
  for (const { id, start, end, isRegular, reg } of openFilesIn(files)) {
    const remap = isRegular && reg ? remapOf.get(id) : undefined;
    if (reg && remap) {
      remapped.set(id, reg);
      if (reg.isFolder) folders += 1;
      if (folders > mostFolders)
        throw broken('files.img', `it has more than ${mostFolders} folders without a name`);
    }
    const turn = isRegular && reg?.isExternal ? byKey.get(nameText(files, reg)) : undefined;
    if (!turn) {
      const place = reg && remap?.isGhost ? folderNames.of(reg, remap.remapId) : undefined;
      if (place) sealed.append(turnEntry(files.subarray(start, end), place, mountNamespace));
      else sealed.append(files, start, end);
      continue;
    }
    count += 1;
    if (turn.ghostId !== undefined && !remapOf.has(id)) {
      if (criuRemaps.length + added.length === mostRemaps)
        throw broken('remap-fpath.img', `sealed it would have more than ${mostRemaps} entries`);
      added.push({ at: undefined, origId: id, remapId: turn.ghostId, isGhost: true });
    }
    sealed.append(turnEntry(files.subarray(start, end), turn.place, mountNamespace));
  }
  return { files: sealed.finish(), count, added, remapped };
}

/** The entry as CRIU would have written it for a file that has the name of PLACE. */
function turnEntry(
  entry: Buffer,
  place: Pick<RenamedFile, 'path' | 'mount'>,
  mountNamespace: boolean,
): Uint8Array {
  const file = decode(fileEntry, entry, 'files.img');
  if (!file.reg) throw broken('files.img', 'an entry has lost its file');
  file.reg.name = place.path;
  if (mountNamespace) file.reg.mntId = place.mount;
  // The field is cleared and not set to false, because CRIU leaves it out.
  delete file.reg.ext;
  return encode(fileEntry, file);
}

/**
 * Maps the id of each ghost that CRIU has dumped itself to the path and mount of the first file that refers
 * to it. If there are more than `mostAdopted`, the map stays empty and only their number is returned.
 */
function findAdopted(
  criuGhosts: readonly Remap[],
  nameOf: (id: number) => { path: Buffer; mount: number } | undefined,
): Pick<SealPlan, 'adopted' | 'tooManyAdopted'> {
  const fileOf = new Map<number, number>();
  for (const { origId, remapId } of criuGhosts) if (!fileOf.has(remapId)) fileOf.set(remapId, origId);
  const adopted: SealPlan['adopted'] = new Map();
  if (fileOf.size > mostAdopted) return { adopted, tooManyAdopted: fileOf.size };
  for (const [id, file] of fileOf) {
    const name = nameOf(file);
    // A copy, because a view would keep the whole image in memory.
    if (name) adopted.set(id, { ...name, path: Buffer.from(name.path) });
  }
  return { adopted, tooManyAdopted: 0 };
}

function writeRemaps(remaps: Buffer | undefined, ordered: readonly Remap[]): Buffer {
  const size = remaps?.length ?? 0;
  const sealed = new ImageWriter(magic.REMAP_FPATH, 'remap-fpath.img', size, bounds.remaps.bytes);
  for (const remap of ordered)
    sealed.append(
      remaps && remap.at !== undefined
        ? entryAt(remaps, remap.at)
        : encode(remapFilePathEntry, makeRemap(remap.origId, remap.remapId)),
    );
  return sealed.finish();
}

/** The largest remap id in use; our ids must come after CRIU's. */
export function largestRemapId(remaps: Buffer | undefined): number {
  let largest = 0;
  for (const { isGhost, remapId } of readRemaps(remaps)) if (isGhost) largest = Math.max(largest, remapId);
  return largest;
}

/** Remap ids that a restore needs after sealing. Each must have its image. */
export function remappedGhosts(remaps: Buffer | undefined): Set<number> {
  const ids = new Set<number>();
  for (const { isGhost, remapId } of readRemaps(remaps)) if (isGhost) ids.add(remapId);
  return ids;
}

/** Ghosts whose path is the name of a file in files.img while no such file has a remap to the ghost. */
export function lostRemaps(
  files: Buffer,
  remaps: Buffer | undefined,
  ghosts: readonly ExternalGhost[],
): ExternalGhost[] {
  const ghostOfFile = new Map<number, number>();
  for (const { origId, remapId } of readRemaps(remaps)) ghostOfFile.set(origId, remapId);
  const filesByName = new Map<string, number[]>();
  const wanted = new Set(ghosts.flatMap(({ paths }) => paths.map(({ path }) => path.toString('latin1'))));
  for (const { id, reg } of openFilesIn(files)) {
    const name = reg && nameText(files, reg);
    if (name === undefined || !wanted.has(name)) continue;
    const named = filesByName.get(name);
    if (named) named.push(id);
    else filesByName.set(name, [id]);
  }
  return ghosts.filter(ghost => {
    const named = ghost.paths.flatMap(({ path }) => filesByName.get(path.toString('latin1')) ?? []);
    return named.length > 0 && !named.some(id => ghostOfFile.get(id) === ghost.id);
  });
}

/** A files.img as CRIU would write it for regular files that it leaves to us. */
export function encodeExternalFiles(keys: readonly string[]): Buffer {
  const entries = keys.map((key, index) => {
    const id = index + 1;
    const reg = { id, flags: 0, pos: 0n, name: Buffer.from(key), ext: true };
    return encode(fileEntry, { type: fdTypeReg, id, reg });
  });
  return joinImage(magic.FILES, entries);
}

/** An entry of remap-fpath.img; AT is where it begins, undefined where it has yet to be written. */
export interface Remap {
  at: number | undefined;
  origId: number;
  remapId: number;
  isGhost: boolean;
}

export function* readRemaps(bytes: Buffer | undefined): Generator<Remap> {
  if (!bytes) return;
  let count = 0;
  const reader = new FieldReader(bytes);
  for (const { start, end } of entryPlaces(bytes, magic.REMAP_FPATH, 'remap-fpath.img')) {
    count += 1;
    if (count > mostRemaps) throw broken('remap-fpath.img', `it has more than ${mostRemaps} entries`);
    yield readRemap(reader, start, end);
  }
}

function readRemap(reader: FieldReader, start: number, end: number): Remap {
  const remap = { at: start, origId: 0, remapId: 0, isGhost: false };
  reader.pos = start;
  try {
    while (reader.next(end)) {
      if (reader.field === 1) remap.origId = reader.uint32();
      else if (reader.field === 2) remap.remapId = reader.uint32();
      else if (reader.field === 3) remap.isGhost = reader.uint32() === remapTypeGhost;
      else reader.skip(end);
    }
  } catch (cause) {
    throw broken('remap-fpath.img', `an entry is not a RemapFilePathEntry (${(cause as Error).message})`);
  }
  return remap;
}

function entryAt(image: Buffer, at: number): Buffer {
  return image.subarray(at, at + image.readUInt32LE(at - 4));
}

function makeRemap(origId: number, remapId: number) {
  return { origId, remapId, remapType: remapTypeGhost };
}

/**
 * Computes a seal: it turns CRIU's external entries into the entries that CRIU itself would have written for
 * a ghost. The functions are pure: image bytes in, image bytes out. Entries that are not ours keep every
 * byte.
 */
import { bounds } from '../base/bounds.js';
import { broken, entriesOf, ImageWriter, joinImage, magic } from './frame.js';
import { decode, encode } from './message.js';
import { fileEntry, fileKind, remapFilePathEntry } from './messages.js';
import { orderRemaps } from './remap-order.js';

const fdTypeReg = 1;
const remapTypeGhost = 1;
const fileTypes = 0o170000;
const directory = 0o040000;

/** A ghost that is an external file in files.img. */
export interface ExternalGhost {
  /** The remap id; in hexadecimal it is the ID in the name ghost-file-ID.img. */
  id: number;
  paths: RenamedFile[];
}

/**
 * An open file that gets another name of its inode. It needs no remap, because the file exists by that name.
 */
export interface RenamedFile {
  key: string;
  mount: number;
  path: Buffer;
}

export interface SealPlan {
  files: Buffer;
  remaps: Buffer;
  /** Number of entries in files.img that this seal has changed back. */
  turned: number;
  /**
   * Ghosts in the remaps that are not among the given ones, by id: CRIU dumped them itself. With their files'
   * names.
   */
  adopted: Map<number, { path: Buffer; mount: number }>;
  /** How many adopted ones there are where they are too many to be listed; then `adopted` has none. */
  tooManyAdopted: number;
}

/** They are listed for information only, and each takes as much memory as a ghost of ours. */
const mostAdopted = 10_000;
/** Each is an object in memory; a manifest has room for 40,000 ghosts, which several files may share. */
const mostRemaps = 200_000;
/** Folders without a name are put in order by their paths, which takes three times their length. */
const mostFolders = 100_000;

/** @param remaps undefined where CRIU wrote no remap-fpath.img */
export function planSeal(
  files: Buffer,
  remaps: Buffer | undefined,
  ghosts: readonly ExternalGhost[],
  mountNamespace: boolean,
  renamed: readonly RenamedFile[] = [],
): SealPlan {
  const byKey = new Map<string, Turn>();
  for (const place of renamed) byKey.set(place.key, { place });
  for (const { id, paths } of ghosts) for (const place of paths) byKey.set(place.key, { place, ghostId: id });
  const criuRemaps = [...readRemaps(remaps)];
  const turned = turnFiles(files, criuRemaps, byKey, mountNamespace);
  const ourIds = new Set(ghosts.map(ghost => ghost.id));
  const isSealed = ({ isGhost, remapId }: Remap) => isGhost && ourIds.has(remapId);
  const isAdopted = (remap: Remap) => remap.isGhost && !isSealed(remap) && turned.remapped.has(remap.origId);
  const nameOf = (id: number) => {
    const place = turned.remapped.get(id);
    return place && nameAt(files, place.at);
  };
  const isFolderRemap = ({ isGhost, origId }: Remap) => isGhost && turned.remapped.get(origId)?.isFolder;
  const ordered = orderRemaps(
    [...criuRemaps, ...turned.added].map(remap => ({
      entry: remap,
      ours: remap.at === undefined || isSealed(remap),
      folder: isFolderRemap(remap) ? nameOf(remap.origId)?.path : undefined,
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
  /** By the file's id; AT is where its entry begins in the files.img before the seal. */
  remapped: Map<number, { at: number; isFolder: boolean }>;
}

function turnFiles(
  files: Buffer,
  criuRemaps: readonly Remap[],
  byKey: ReadonlyMap<string, Turn>,
  mountNamespace: boolean,
): TurnedFiles {
  const hasRemap = new Set(criuRemaps.map(({ origId }) => origId));
  const added: Remap[] = [];
  const remapped: TurnedFiles['remapped'] = new Map();
  let folders = 0;
  let count = 0;
  const sealed = new ImageWriter(magic.FILES, 'files.img', files.length, bounds.files.bytes);
  for (const bytes of entriesOf(files, magic.FILES, 'files.img')) {
    const file = decode(fileEntry, bytes, 'files.img');
    const reg = file.type === fdTypeReg ? file.reg : undefined;
    if (reg && hasRemap.has(file.id)) {
      const isFolder = isFolderEntry(bytes);
      remapped.set(file.id, { at: bytes.byteOffset - files.byteOffset, isFolder });
      if (isFolder) folders += 1;
      if (folders > mostFolders)
        throw broken('files.img', `it has more than ${mostFolders} folders without a name`);
    }
    const turn = reg?.ext ? byKey.get(Buffer.from(reg.name).toString('latin1')) : undefined;
    if (!reg || !turn) {
      sealed.append(bytes);
      continue;
    }
    count += 1;
    reg.name = turn.place.path;
    if (mountNamespace) reg.mntId = turn.place.mount;
    // The field is cleared and not set to false, because CRIU leaves it out.
    delete reg.ext;
    if (turn.ghostId !== undefined && !hasRemap.has(file.id)) {
      if (criuRemaps.length + added.length === mostRemaps)
        throw broken('remap-fpath.img', `sealed it would have more than ${mostRemaps} entries`);
      added.push({ at: undefined, origId: file.id, remapId: turn.ghostId, isGhost: true });
    }
    sealed.append(encode(fileEntry, file));
  }
  return { files: sealed.finish(), count, added, remapped };
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
    if (name) adopted.set(id, name);
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
  for (const bytes of entriesOf(files, magic.FILES, 'files.img')) {
    const { id, reg } = decode(fileEntry, bytes, 'files.img');
    const name = reg && Buffer.from(reg.name).toString('latin1');
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

/** Those of RENAMED whose name no file in files.img has. CRIU would not open them by that name. */
export function lostNames(files: Buffer, renamed: readonly RenamedFile[]): RenamedFile[] {
  if (renamed.length === 0) return [];
  const lost = new Map(renamed.map(file => [file.path.toString('latin1'), file]));
  for (const bytes of entriesOf(files, magic.FILES, 'files.img')) {
    const { reg } = decode(fileEntry, bytes, 'files.img');
    if (reg) lost.delete(Buffer.from(reg.name).toString('latin1'));
  }
  return renamed.filter(({ path }) => lost.has(path.toString('latin1')));
}

/** Those of KEYS that are still external regular files in files.img. */
export function stillExternal(files: Buffer, keys: Iterable<string>): Set<string> {
  const wanted = new Set(keys);
  const found = new Set<string>();
  for (const bytes of entriesOf(files, magic.FILES, 'files.img')) {
    const { reg } = decode(fileEntry, bytes, 'files.img');
    const key = reg?.ext ? Buffer.from(reg.name).toString('latin1') : undefined;
    if (key !== undefined && wanted.has(key)) found.add(key);
  }
  return found;
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
interface Remap {
  at: number | undefined;
  origId: number;
  remapId: number;
  isGhost: boolean;
}

function* readRemaps(bytes: Buffer | undefined): Generator<Remap> {
  if (!bytes) return;
  let count = 0;
  for (const entry of entriesOf(bytes, magic.REMAP_FPATH, 'remap-fpath.img')) {
    count += 1;
    if (count > mostRemaps) throw broken('remap-fpath.img', `it has more than ${mostRemaps} entries`);
    const { origId, remapId, remapType } = decode(remapFilePathEntry, entry, 'remap-fpath.img');
    yield {
      at: entry.byteOffset - bytes.byteOffset,
      origId,
      remapId,
      isGhost: remapType === remapTypeGhost,
    };
  }
}

function entryAt(image: Buffer, at: number): Buffer {
  return image.subarray(at, at + image.readUInt32LE(at - 4));
}

function nameAt(files: Buffer, at: number): { path: Buffer; mount: number } | undefined {
  const { reg } = decode(fileEntry, entryAt(files, at), 'files.img');
  return reg && { path: Buffer.from(reg.name), mount: reg.mntId ?? 0 };
}

function isFolderEntry(file: Buffer): boolean {
  const { reg } = decode(fileKind, file, 'files.img');
  return reg !== undefined && ((reg.mode ?? 0) & fileTypes) === directory;
}

function makeRemap(origId: number, remapId: number) {
  return { origId, remapId, remapType: remapTypeGhost };
}

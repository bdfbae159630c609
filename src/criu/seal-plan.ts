/**
 * Computes a seal: it turns CRIU's external entries into the entries that CRIU itself would have written for
 * a ghost. The functions are pure: image bytes in, image bytes out. Entries that are not ours keep every
 * byte.
 */
import { clearField, create } from '@bufbuild/protobuf';
import { joinImage, magic, splitImage } from './frame.js';
import {
  FileEntrySchema,
  FileKindSchema,
  RegFileEntrySchema,
  type RemapFilePathEntry,
  RemapFilePathEntrySchema,
} from './generated/images_pb.js';
import { decode, encode } from './message.js';
import { orderRemaps, type Remapped } from './remap-order.js';

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
}

/** @param remaps undefined where CRIU wrote no remap-fpath.img */
export function planSeal(
  files: Buffer,
  remaps: Buffer | undefined,
  ghosts: readonly ExternalGhost[],
  mountNamespace: boolean,
  renamed: readonly RenamedFile[] = [],
): SealPlan {
  const byKey = new Map<string, { place: RenamedFile; ghostId?: number }>();
  for (const place of renamed) byKey.set(place.key, { place });
  for (const { id, paths } of ghosts) for (const place of paths) byKey.set(place.key, { place, ghostId: id });
  const oldRemaps = readRemaps(remaps);
  const remapped = new Set(oldRemaps.map(({ remap }) => remap.origId));
  const added: RemapFilePathEntry[] = [];
  const names = new Map<number, { path: Buffer; mount: number; isFolder: boolean }>();
  let turned = 0;

  const entries = splitImage(files, magic.FILES, 'files.img').map(bytes => {
    const file = decode(FileEntrySchema, bytes, 'files.img');
    if (file.type !== fdTypeReg || !file.reg) return bytes;
    if (remapped.has(file.id)) {
      const { name, mntId } = file.reg;
      names.set(file.id, { path: Buffer.from(name), mount: mntId, isFolder: isFolder(bytes) });
    }
    const ours = file.reg.ext ? byKey.get(Buffer.from(file.reg.name).toString('latin1')) : undefined;
    if (!ours) return bytes;
    turned += 1;
    file.reg.name = ours.place.path;
    if (mountNamespace) file.reg.mntId = ours.place.mount;
    // The field is cleared and not set to false, because CRIU leaves it out.
    clearField(file.reg, RegFileEntrySchema.field.ext);
    if (ours.ghostId !== undefined && !remapped.has(file.id)) added.push(makeRemap(file.id, ours.ghostId));
    return encode(FileEntrySchema, file, 'files.img');
  });

  const ourIds = new Set(ghosts.map(ghost => ghost.id));
  const isOurs = (remap: RemapFilePathEntry) => isGhost(remap) && ourIds.has(remap.remapId);
  const adopted = new Map<number, { path: Buffer; mount: number }>();
  for (const { remap } of oldRemaps) {
    const name = names.get(remap.origId);
    if (isGhost(remap) && name && !isOurs(remap) && !adopted.has(remap.remapId))
      adopted.set(remap.remapId, { path: name.path, mount: name.mount });
  }
  const remapsNow: Remapped<Uint8Array>[] = oldRemaps.map(({ bytes, remap }) => {
    const name = isGhost(remap) ? names.get(remap.origId) : undefined;
    return { entry: bytes, ours: isOurs(remap), folder: name?.isFolder ? name.path : undefined };
  });
  for (const remap of added) {
    const entry = encode(RemapFilePathEntrySchema, remap, 'remap-fpath.img');
    remapsNow.push({ entry, ours: true, folder: undefined });
  }
  return {
    files: joinImage(magic.FILES, entries),
    remaps: joinImage(magic.REMAP_FPATH, orderRemaps(remapsNow)),
    turned,
    adopted,
  };
}

/** The largest remap id in use; our ids must come after CRIU's. */
export function largestRemapId(remaps: Buffer | undefined): number {
  return [...remappedGhosts(remaps)].reduce((largest, id) => Math.max(largest, id), 0);
}

/** Remap ids that a restore needs after sealing. Each must have its image. */
export function remappedGhosts(remaps: Buffer | undefined): Set<number> {
  return new Set(
    readRemaps(remaps)
      .filter(({ remap }) => isGhost(remap))
      .map(({ remap }) => remap.remapId),
  );
}

/** Ghosts whose path is the name of a file in files.img while no such file has a remap to the ghost. */
export function lostRemaps(
  files: Buffer,
  remaps: Buffer | undefined,
  ghosts: readonly ExternalGhost[],
): ExternalGhost[] {
  const ghostOfFile = new Map(readRemaps(remaps).map(({ remap }) => [remap.origId, remap.remapId]));
  const filesByName = new Map<string, number[]>();
  const wanted = new Set(ghosts.flatMap(({ paths }) => paths.map(({ path }) => path.toString('latin1'))));
  for (const bytes of splitImage(files, magic.FILES, 'files.img')) {
    const { id, reg } = decode(FileEntrySchema, bytes, 'files.img');
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
  const named = new Set(
    splitImage(files, magic.FILES, 'files.img').map(bytes => {
      const { reg } = decode(FileEntrySchema, bytes, 'files.img');
      return reg && Buffer.from(reg.name).toString('latin1');
    }),
  );
  return renamed.filter(({ path }) => !named.has(path.toString('latin1')));
}

/** Keys of the external regular files that are still in files.img. */
export function externalNames(files: Buffer): string[] {
  return splitImage(files, magic.FILES, 'files.img').flatMap(bytes => {
    const { reg } = decode(FileEntrySchema, bytes, 'files.img');
    return reg?.ext ? [Buffer.from(reg.name).toString('latin1')] : [];
  });
}

/** A files.img as CRIU would write it for regular files that it leaves to us. */
export function encodeExternalFiles(keys: readonly string[]): Buffer {
  const entries = keys.map((key, index) => {
    const id = index + 1;
    const reg = create(RegFileEntrySchema, { id, flags: 0, pos: 0n, name: Buffer.from(key), ext: true });
    return encode(FileEntrySchema, create(FileEntrySchema, { type: fdTypeReg, id, reg }), 'files.img');
  });
  return joinImage(magic.FILES, entries);
}

function readRemaps(bytes: Buffer | undefined): { bytes: Buffer; remap: RemapFilePathEntry }[] {
  if (!bytes) return [];
  return splitImage(bytes, magic.REMAP_FPATH, 'remap-fpath.img').map(entry => ({
    bytes: entry,
    remap: decode(RemapFilePathEntrySchema, entry, 'remap-fpath.img'),
  }));
}

function isFolder(file: Buffer): boolean {
  const { reg } = decode(FileKindSchema, file, 'files.img');
  return reg !== undefined && (reg.mode & fileTypes) === directory;
}

function makeRemap(origId: number, remapId: number): RemapFilePathEntry {
  return create(RemapFilePathEntrySchema, { origId, remapId, remapType: remapTypeGhost });
}

function isGhost(remap: RemapFilePathEntry): boolean {
  return remap.remapType === remapTypeGhost;
}

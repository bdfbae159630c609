import { bounds, mostJsonNames, mostJsonValues } from '../base/bounds.js';
import { assertDocument, parseDocument } from '../base/documents/document.js';
import type { Manifest, ManifestGhost, MovedGhost } from '../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../base/errors.js';
import type { Durability, Files } from '../base/host/host.js';
import { collectAfter } from '../base/memory.js';
import { counted } from '../base/text/counted.js';
import { assertDecodes } from './decode.js';
import { encodeManifest, hasText, makeTexts } from './encode.js';
import {
  firstIdName,
  folder,
  isBaseName,
  isPendingName,
  journalName,
  manifestName,
  oldManifestName,
} from './layout.js';
import { incomplete, isReceiving } from './receiving.js';

/** @throws MANIFEST_MISSING, MANIFEST_INVALID, INCOMPLETE */
export function readManifest(files: Files, images: string): Manifest {
  assertFlat(files, images);
  const manifest = readIfThere(files, images, manifestName);
  if (manifest) return manifest;
  const where = files.realPath(images);
  if (files.exists(`${images}/${journalName}`)) throw unsealed(where);
  if (isReceiving(files, images)) throw incomplete(files, images);
  const why = holdsOnlyBases(files, images)
    ? `it holds copies that \`ghostkeep pre-dump\` made beforehand, and no dump yet; \`ghostkeep doctor -D ${where}\` lists them`
    : isInterrupted(files, images)
      ? 'a dump into it was interrupted before every ghost was copied, and its files are of no use; dump again'
      : files.exists(images)
        ? `there is no ${manifestName} in it, so nothing was dumped here by ghostkeep`
        : 'there is no such directory';
  throw new GhostkeepError('MANIFEST_MISSING', where, `cannot use ${where}: ${why}`);
}

/** @throws MANIFEST_INVALID where a version before the flat directory has sealed the dump */
function assertFlat(files: Files, images: string): void {
  if (!isOldLayout(files, images)) return;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'MANIFEST_INVALID',
    where,
    `cannot use ${where}: its dump is of the old layout (${oldManifestName} in it), which this version does not read; restore it with the ghostkeep that made it (\`tool\` in that file names it) and make a new checkpoint`,
  );
}

/**
 * Has a version before the flat directory sealed the dump? A journal beside the old manifest shows that this
 * seal was interrupted. Then the answer is no, because sealing again makes a new manifest.
 * @throws IMAGE_INVALID where the working folder is a link or no folder, because nobody knows what was meant
 * by it
 */
export function isOldLayout(files: Files, images: string): boolean {
  const workFolder = `${images}/${folder}`;
  if (!files.exists(workFolder)) return false;
  const names = new Set(files.list(workFolder).map(name => `${folder}/${name}`));
  return names.has(oldManifestName) && !names.has(journalName);
}

function isInterrupted(files: Files, images: string): boolean {
  const workFolder = `${images}/${folder}`;
  return files.exists(workFolder) && files.list(workFolder).some(name => isPendingName(`${folder}/${name}`));
}

function holdsOnlyBases(files: Files, images: string): boolean {
  const workFolder = `${images}/${folder}`;
  const names = files.exists(workFolder) ? files.list(workFolder).map(name => `${folder}/${name}`) : [];
  return names.length > 0 && names.every(isBaseName);
}

/**
 * Like readManifest, but it also throws if anything is left to seal, because a seal would write the manifest
 * anew. Without `mayBeMoved` it throws if the ghosts are on another host, too.
 */
export function readSealedManifest(
  files: Files,
  images: string,
  { mayBeMoved = false }: { mayBeMoved?: boolean } = {},
): Manifest {
  const manifest = readManifest(files, images);
  const where = files.realPath(images);
  if (!mayBeMoved) assertHere(manifest, `cannot use ${where}`, where);
  if (manifest.state === 'sealed' && !files.exists(`${images}/${journalName}`)) return manifest;
  throw unsealed(where);
}

export const isMoved = (ghost: ManifestGhost): ghost is ManifestGhost & { moved: MovedGhost } =>
  ghost.moved !== undefined;

/** @returns where the ghosts of MANIFEST were sent, as a sentence; undefined where they are here */
export function whereMoved(manifest: Manifest): string | undefined {
  const { length } = manifest.ghosts.filter(isMoved);
  if (length === 0) return undefined;
  const { to = 'another host', complete = false } = manifest.moved ?? {};
  const rest = complete ? '' : '; the rest of the checkpoint is still to be sent (`ghostkeep send-images`)';
  return `the content of ${counted(length, 'ghost')} was sent to ${to} and is not here${rest}`;
}

/** @param action begins the message: `cannot restore from /images`. @throws MOVED */
export function assertHere(manifest: Manifest, action: string, where: string): void {
  const moved = whereMoved(manifest);
  if (moved !== undefined) throw new GhostkeepError('MOVED', where, `${action}: ${moved}`);
}

/** The state of a dump before it is sealed; undefined when there is none. */
export function readJournal(files: Files, images: string): Manifest | undefined {
  return readIfThere(files, images, journalName);
}

export function writeJournal(files: Files, images: string, journal: Manifest, { durable }: Durability): void {
  files.replace(`${images}/${journalName}`, encodeJournal(journal), { durable });
}

/**
 * Checks GHOSTS and makes their texts, so that this need not be done while processes are frozen. They cannot
 * be changed any more then.
 * @throws MANIFEST_INVALID where they do not match the schema
 */
export function keepTexts(journal: Manifest, ghosts: readonly ManifestGhost[]): void {
  const manifest = { ...journal, ghosts: [...ghosts] };
  assertDocument<Manifest>('Manifest', manifest, journalName, 'MANIFEST_INVALID');
  makeTexts(ghosts);
}

/** @throws MANIFEST_INVALID where JOURNAL does not match its schema */
export function encodeJournal(journal: Manifest): Buffer {
  const unchecked = journal.ghosts.filter(ghost => !hasText(ghost));
  assertDocument<Manifest>('Manifest', { ...journal, ghosts: unchecked }, journalName, 'MANIFEST_INVALID');
  return encode(journal, sealing);
}

/**
 * The last step of a dump: without a manifest there is no dump. The manifest is not checked here. It was
 * checked as the journal, and checking 10,000 ghosts takes time. A caller that adds data from elsewhere
 * checks it.
 */
export function writeManifest(
  files: Files,
  images: string,
  manifest: Manifest,
  { durable }: Durability,
): void {
  files.replace(`${images}/${manifestName}`, encode(manifest), { durable });
}

/** A repeated seal must give the same ids, so the first id is stored before any image bears one. */
export function keepFirstId(files: Files, images: string, id: number, { durable }: Durability): number {
  const kept = files.readIfThere(`${images}/${firstIdName}`, bounds.firstId)?.toString('latin1');
  if (kept === undefined) {
    files.replace(`${images}/${firstIdName}`, Buffer.from(`${id}\n`), { durable });
    return id;
  }
  if (/^[1-9][0-9]{0,9}\n$/.test(kept)) return Number(kept);
  throw new GhostkeepError(
    'MANIFEST_INVALID',
    firstIdName,
    `cannot read ${files.realPath(images)}/${firstIdName}: it is not a number`,
  );
}

export function manifestExists(files: Files, images: string): boolean {
  return files.exists(`${images}/${manifestName}`);
}

/** True when IMAGES holds a dump of ghostkeep's, sealed or not, or one that only an old version reads. */
export function holdsDump(files: Files, images: string): boolean {
  return [manifestName, journalName, oldManifestName].some(name => files.exists(`${images}/${name}`));
}

/** A dump of ours, or a checkpoint that CRIU has finished, with or without us. */
export function holdsCheckpoint(files: Files, images: string): boolean {
  return holdsDump(files, images) || files.exists(`${images}/inventory.img`);
}

function unsealed(where: string): GhostkeepError {
  return new GhostkeepError(
    'MANIFEST_MISSING',
    where,
    `cannot use ${where}: its dump was not sealed; run \`ghostkeep seal -D ${where}\``,
  );
}

function readIfThere(files: Files, images: string, name: string): Manifest | undefined {
  const bytes = readBytes(files, images, name);
  if (!bytes) return undefined;
  const subject = `${files.realPath(images)}/${name}`;
  const manifest = parseDocument<Manifest>('Manifest', bytes.toString('utf8'), subject, 'MANIFEST_INVALID');
  assertDecodes(manifest, subject);
  if (name === manifestName) assertNamesGiven(manifest, subject);
  collectAfter(bytes.length);
  return manifest;
}

function readBytes(files: Files, images: string, name: string): Buffer | undefined {
  try {
    return files.readIfThere(`${images}/${name}`, bounds.manifest);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR') throw error;
    const why = `cannot use ${images}: it is not a directory`;
    throw new GhostkeepError('MANIFEST_MISSING', images, why, { cause: error });
  }
}

/** A sealed dump has no image in the working folder, where any image would be taken for a leftover. */
function assertNamesGiven({ ghosts }: Manifest, subject: string): void {
  const image = ghosts.find(ghost => isPendingName(ghost.image))?.image;
  if (image === undefined) return;
  throw new GhostkeepError(
    'MANIFEST_INVALID',
    subject,
    `cannot accept ${subject}: it names ${image}, which no sealed dump has`,
  );
}

interface Room {
  bytes: number;
  values: number;
}

/**
 * The room that a journal leaves for what sealing adds: the inventory, in base64, and states. When we seal,
 * the container may be gone, and it would be too late to find that the manifest is too large.
 */
const sealing: Room = { bytes: 2 * bounds.inventory.bytes, values: 1000 };
const none: Room = { bytes: 0, values: 0 };
/** More than the number of keys that a document has besides the names of extended attributes. */
const ownNames = 1000;

/**
 * Makes the bytes of a document, and fails if no reader would accept them. So a dump that is too large fails
 * when it writes its journal, before CRIU goes on.
 * @param spare the room to leave free
 */
function encode(document: Manifest, spare: Room = none): Buffer {
  const most = { bytes: bounds.manifest.bytes - spare.bytes, values: mostJsonValues - spare.values };
  const bytes = encodeManifest(document, most);
  if (bytes && countXattrNames(document) <= mostJsonNames - ownNames) return bytes;
  throw new GhostkeepError(
    'MANIFEST_INVALID',
    manifestName,
    `cannot write ${manifestName}: it would be larger than ghostkeep can read again (${bounds.manifest.bytes} bytes, ${mostJsonValues} values, ${mostJsonNames} different keys); its ghosts (${document.ghosts.length}) are too many, or have too many extended attributes, names or holders`,
  );
}

function countXattrNames({ ghosts }: Manifest): number {
  const names = new Set<string>();
  for (const { xattrs } of ghosts) for (const name of Object.keys(xattrs)) names.add(name);
  return names.size;
}

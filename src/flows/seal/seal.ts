/**
 * Seal a dump: the image stands alone, as if CRIU had written the ghosts itself.
 *
 * Every step can be repeated, and the journal, which goes last, says what is still to do: a seal that was
 * interrupted anywhere is finished by calling it again. Nothing of the ghosts' content is touched.
 */
import { bounds } from '../../base/bounds.js';
import { assertDocument } from '../../base/documents/document.js';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import type { Files } from '../../base/host/host.js';
import { pathToText } from '../../base/text/path-bytes.js';
import { countToJson, showDev, showTime } from '../../base/units.js';
import { decodeGhostHead, type GhostHead, headBytes } from '../../criu/ghost-file.js';
import { largestRemapId, planSeal, remappedGhosts } from '../../criu/seal-plan.js';
import {
  firstIdName,
  ghostImageName,
  isPendingName,
  journalName,
  manifestName,
  reserveName,
} from '../../image/layout.js';
import {
  keepFirstId,
  manifestExists,
  readInventory,
  readJournal,
  readManifest,
  writeManifest,
} from '../../image/manifest.js';
import { syncImage } from '../../image/sync-image.js';
import type { Context } from '../context.js';
import { thaw } from '../directory/thaw.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { toExternal, toKeyPath } from '../dump/describe.js';

export interface Sealed {
  manifest: Manifest;
  /** False: it was sealed before. */
  now: boolean;
}

/**
 * @param durable fsync everything, ghost images included. Not while processes are frozen: CRIU does not sync its
 * own images either, and on ext4 a sync of one file waits for the data of all.
 * @param known the journal, by whoever has just written it
 * @throws MANIFEST_MISSING when nothing was dumped here, SEAL_FAILED and others when it can be tried again
 */
export function sealImages(
  context: Context,
  images: string,
  durable: boolean,
  known?: Manifest | undefined,
): Sealed {
  const { files } = context.host;
  // The journal is the word on whether there is anything to seal, even to the one who wrote it.
  const journal = known && files.exists(`${images}/${journalName}`) ? known : readJournal(files, images);
  if (!journal) {
    const manifest = readManifest(files, images);
    if (files.exists(`${images}/${firstIdName}`)) files.remove(`${images}/${firstIdName}`);
    return { manifest, now: false };
  }
  const where = files.realPath(images);
  if (journal.state === 'pinned') {
    throw new GhostkeepError('SEAL_FAILED', where, `cannot seal ${where}: not all ghosts are copied yet`);
  }
  try {
    files.remove(`${images}/${reserveName}`);
    const { manifest, unused } = journal.criu
      ? sealCriu(context, images, journal, durable)
      : sealAlone(context, images, journal, durable);
    writeManifest(files, images, manifest, durable);
    for (const name of [journalName, firstIdName, ...unused]) files.remove(`${images}/${name}`);
    warnOfRefused(context, images);
    return { manifest, now: true };
  } catch (error) {
    throw translate(
      error,
      'SEAL_FAILED',
      where,
      `cannot seal ${where} (nothing is lost; \`ghostkeep seal -D ${where}\` tries again)`,
    );
  }
}

/** False when CRIU has written another checkpoint into IMAGES since: then the manifest says nothing about it. */
export function isOfThisCheckpoint(files: Files, images: string, { inventory }: Manifest): boolean {
  return inventory === undefined || readInventory(files, images)?.content === inventory;
}

/** True when IMAGES holds a dump of ours, sealed or not. */
export function isOurs(files: Files, images: string): boolean {
  return manifestExists(files, images) || files.exists(`${images}/${journalName}`);
}

/** A manifest to write, and images that it does not list, to be removed when it is there. */
interface Plan {
  manifest: Manifest;
  unused: string[];
}

function sealAlone(context: Context, images: string, journal: Manifest, durable: boolean): Plan {
  const { files } = context.host;
  for (const [index, { image }] of journal.ghosts.entries())
    if (isPendingName(image)) assertNotTaken(files, images, image, ghostImageName(index + 1));
  const ghosts = giveNames(context, images, journal, 1, durable);
  return { manifest: { ...journal, state: 'sealed', ghosts }, unused: [] };
}

function sealCriu(context: Context, images: string, journal: Manifest, durable: boolean): Plan {
  const { files } = context.host;
  const inventory = inventoryOfThis(files, images, journal);
  const filesImage = files.read(`${images}/files.img`, bounds.files);
  const remaps = files.readIfThere(`${images}/remap-fpath.img`, bounds.remaps);
  const first = keepFirstId(files, images, largestRemapId(remaps) + 1, durable);
  const named = giveNames(context, images, journal, first, durable);
  const plan = planSeal(
    filesImage,
    remaps,
    named.map(toExternal),
    journal.mountNamespace,
    journal.links?.map(toKeyPath),
  );
  // Remaps first: with files.img still external they are unused, the other way round a ghost would be missing.
  files.replace(`${images}/remap-fpath.img`, plan.remaps, durable);
  files.replace(`${images}/files.img`, plan.files, durable);
  if (journal.thaw) thaw(files, images, durable);
  // Pinned while the container ran, closed before CRIU froze it: no entry of files.img wants such a ghost any more.
  const used = remappedGhosts(plan.remaps);
  const isUsed = (ghost: ManifestGhost) => ghost.linked !== undefined || used.has(ghost.id);
  const ghosts = named.filter(isUsed);
  // Who may read CRIU's images may read these: at restore that is root of the container's user namespace.
  for (const alike of [['remap-fpath.img'], ghosts.map(ghost => ghost.image)])
    files.matchOwner(
      alike.map(name => `${images}/${name}`),
      `${images}/files.img`,
    );
  const adopted = [...plan.adopted].flatMap(([id, name]) => adopt(context, images, id, name));
  const { earlierInventory: _, heldBy: __, ...rest } = journal;
  const manifest: Manifest = { ...rest, state: 'sealed', inventory, ghosts: [...ghosts, ...adopted] };
  if (adopted.length > 0)
    assertDocument<Manifest>('Manifest', { ...manifest, ghosts: adopted }, manifestName, 'MANIFEST_INVALID');
  return { manifest, unused: named.filter(ghost => !isUsed(ghost)).map(({ image }) => image) };
}

/**
 * CRIU writes inventory.img last. Without one, or with what an earlier checkpoint had left, CRIU is still at work or
 * has failed: to seal now would give ids that CRIU has yet to give out. CRIUs before 4.1 write the same bytes each
 * time, so a time that is another tells as well; none is compared with a clock, since a file server has its own.
 * @returns its bytes, in base64
 */
export function inventoryOfThis(files: Files, images: string, journal: Manifest): string {
  const now = readInventory(files, images);
  const { earlierInventory: earlier } = journal;
  if (now && now.content !== '' && (now.content !== earlier?.content || now.mtime !== earlier.mtime))
    return now.content;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'SEAL_FAILED',
    where,
    `cannot seal ${where}: CRIU has not finished its dump (no inventory.img of it); when it has, \`ghostkeep seal -D ${where}\``,
  );
}

/** The dump found no image by that name (other-images.ts): whatever has it now was put there by another program. */
function assertNotTaken(files: Files, images: string, pending: string, image: string): void {
  if (!files.exists(`${images}/${image}`) || !files.exists(`${images}/${pending}`)) return;
  throw new GhostkeepError(
    'SEAL_FAILED',
    image,
    `cannot name ${pending}: another program has put ${image} there meanwhile; move that elsewhere, then \`ghostkeep seal -D ${files.realPath(images)}\``,
  );
}

/** CRIU has given out its ids, ours follow them from FIRST on. */
function giveNames(
  context: Context,
  images: string,
  journal: Manifest,
  first: number,
  durable: boolean,
): ManifestGhost[] {
  const { files } = context.host;
  return journal.ghosts.map((ghost, index) => {
    const id = givenId(ghost.image) ?? first + index;
    const image = isPendingName(ghost.image) ? ghostImageName(id) : ghost.image;
    if (image === ghost.image) assertThere(files, images, image);
    else if (!isRenamed(files, `${images}/${ghost.image}`, `${images}/${image}`))
      assertImageOf(files, images, image, ghost);
    if (durable) syncOrDisown(files, images, image);
    context.alive?.();
    return { ...ghost, id, image };
  });
}

/** The next fsync(2) would succeed, so that nothing vouches for the image again it loses its name. */
function syncOrDisown(files: Files, images: string, image: string): void {
  const disowned = `${image}.lost`;
  try {
    syncImage(
      files,
      images,
      image,
      `memory may still have all of ${disowned}: copy it elsewhere before anything else`,
    );
  } catch (error) {
    isRenamed(files, `${images}/${image}`, `${images}/${disowned}`);
    throw error;
  }
}

/** A journal that names images by their ids, as an earlier version left it, has given them out. */
function givenId(image: string): number | undefined {
  const digits = /^ghost-file-([0-9a-f]+)\.img$/.exec(image)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** False when it was renamed before. */
function isRenamed(files: Files, from: string, to: string): boolean {
  try {
    files.rename(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

/** An earlier seal has renamed it, unless it was lost and an earlier checkpoint has left an image by this name. */
function assertImageOf(files: Files, images: string, image: string, ghost: ManifestGhost): void {
  assertThere(files, images, image);
  const path = `${images}/${image}`;
  const head = decodeGhostHead(files.readStart(path, headBytes), files.statPath(path).size, image);
  if (showDev(head.dev) === ghost.physicalDev && countToJson(head.ino) === ghost.ino) return;
  throw new GhostkeepError(
    'IMAGE_MISSING',
    ghost.image,
    `${ghost.image} is missing, and ${image} was there before: it is of another file`,
  );
}

function assertThere(files: Files, images: string, image: string): void {
  if (!files.exists(`${images}/${image}`))
    throw new GhostkeepError('IMAGE_MISSING', image, `${image} is missing`);
}

/** A ghost CRIU dumped itself, from what its own image says. Only regular files have content to care for. */
function adopt(
  { host: { files }, log }: Context,
  images: string,
  id: number,
  name: { path: Buffer; mount: number },
): ManifestGhost[] {
  const image = ghostImageName(id);
  const path = `${images}/${image}`;
  let head: GhostHead;
  try {
    head = decodeGhostHead(files.readStart(path, headBytes), files.statPath(path).size, image);
  } catch (error) {
    // The record is only for information: CRIU will say so itself if its image is damaged.
    log.warn(`cannot list ${image}, which CRIU wrote: ${reasonOf(error)}`);
    return [];
  }
  if (!isRegular(head.mode)) return [];
  return [
    {
      class: 'unlinked',
      ...pathToText(name.path),
      dev: showDev(head.dev),
      ino: countToJson(head.ino),
      size: countToJson(head.size),
      allocated: 0,
      nlink: 0,
      filesystem: 'unknown',
      mounts: [name.mount],
      key: [],
      holders: [],
      id,
      image,
      mode: head.mode,
      uid: head.uid,
      gid: head.gid,
      physicalDev: showDev(head.dev),
      atime: showTime(head.atimeNs),
      mtime: showTime(head.mtimeNs),
      paths: [],
      xattrs: {},
      adopted: true,
    },
  ];
}

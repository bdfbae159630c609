/** Makes a checkpoint of what has arrived: ghost images, a manifest that describes them, a check of all. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { Receiver } from '../../base/documents/generated/receiver.js';
import { GhostkeepError } from '../../base/errors.js';
import { bytesFromBase64 } from '../../base/text/base64.js';
import { countToJson } from '../../base/units.js';
import { isChunked } from '../../criu/ghost-file.js';
import { arrivedFolder, makingName, movedName } from '../../image/layout.js';
import { readManifest, writeManifest } from '../../image/manifest.js';
import type { MoveSealGhost } from '../../move/messages.js';
import type { Sealing } from '../../move/reader.js';
import type { Context } from '../context.js';
import { assertUndamaged, verify } from '../restore/verify.js';
import { assertFree } from './arrivals.js';
import { assertFits, assertWhole } from './fits.js';
import type { Ghosts } from './ghosts.js';
import { beginPlacing, place } from './place.js';
import { writeReceiver } from './receiver-file.js';
import { openDisk, shapeImages, wholeFrom } from './shape.js';

/** So much is made before the disk has to have it. */
const atOnce = { bytes: 64n << 20n, images: 256 };

/**
 * Seals the directory. @returns the number of ghosts. @throws if anything is not as the manifest says; then
 * everything stays, and the sender can send files and seal again
 */
export async function sealMoved(
  context: Context,
  images: string,
  ghosts: Ghosts,
  receiver: Receiver,
  sealing: Sealing,
): Promise<number> {
  const { ghosts: sealed } = sealing;
  const { files } = context.host;
  const arrived = `${images}/${arrivedFolder}`;
  if (!files.exists(arrived)) files.makeDirectory(arrived);
  const manifest = readManifest(files, arrived);
  const where = files.realPath(images);
  assertWhole(manifest, where);
  assertFits(context, images, sealing, { complete: receiver.complete ?? [], manifest });
  const byImage = new Map(manifest.ghosts.map(ghost => [ghost.image, ghost]));
  for (const name of [...files.list(arrived), ...byImage.keys()]) assertFree(context, images, name);
  // This is noted before the first image is made, so that no file that arrives later takes an image's name.
  receiver.made = [...new Set([...(receiver.made ?? []), ...sealed.map(({ image }) => image)])];
  writeReceiver(files, images, receiver);
  const disk = openDisk(context, images);
  try {
    shapeImages(context, images, receiver, sealed, disk);
    await makeImages(context, images, ghosts, sealed, byImage, disk);
  } finally {
    files.close(disk);
  }
  if (files.exists(`${arrived}/files.img`))
    files.matchOwner(
      sealed.map(({ image }) => `${arrived}/${image}`),
      `${arrived}/files.img`,
    );
  writeManifest(files, arrived, manifest, { durable: true });
  assertUndamaged(await verify(context, arrived, { fromDisk: false }), `cannot seal ${where}`);
  beginPlacing(context, images);
  place(context, images);
  return manifest.ghosts.length;
}

/**
 * Makes the images that are still to be made, some at a time. The content of a ghost is removed only when the
 * disk has its image.
 */
async function makeImages(
  context: Context,
  images: string,
  ghosts: Ghosts,
  sealed: readonly MoveSealGhost[],
  byImage: ReadonlyMap<string, ManifestGhost>,
  disk: number,
): Promise<void> {
  let made: MoveSealGhost[] = [];
  let bytes = 0n;
  for (const ghost of sealed) {
    const entry = byImage.get(ghost.image) as ManifestGhost;
    bytes += await makeImage(context, images, ghost, entry, made.length);
    made.push(ghost);
    if (bytes < atOnce.bytes && made.length < atOnce.images) continue;
    keepImages(context, images, ghosts, made, disk);
    [made, bytes] = [[], 0n];
  }
  keepImages(context, images, ghosts, made, disk);
}

async function makeImage(
  context: Context,
  images: string,
  { key, image, header: text }: MoveSealGhost,
  entry: ManifestGhost,
  index: number,
): Promise<bigint> {
  const { files, engine } = context.host;
  const header = bytesFromBase64(text);
  if (!files.exists(`${images}/${movedName(key)}`))
    return describeMade(context, images, image, entry, header);
  const ghostFd = files.open(`${images}/${movedName(key)}`);
  try {
    const { size } = files.stat(ghostFd);
    const making = `${images}/${makingName(index)}`;
    files.remove(making);
    const imageFd = files.create(making);
    try {
      const chunked = isChunked(size);
      const report = await engine.dump({
        ghostFd,
        imageFd,
        engine: 'auto',
        size,
        header,
        chunked,
        detectZeroes: false,
      });
      const { allocation } = entry.data ?? {};
      entry.data = {
        bytes: countToJson(report.dataBytes),
        chunks: countToJson(report.chunks),
        unwritten: countToJson(report.unwrittenBytes),
        imageBytes: countToJson(report.imageBytes),
        engine: report.engine,
        fallbacks: report.fallbacks,
        why: report.why,
        ways: report.ways,
        ...(allocation ? { allocation } : {}),
      };
      return report.imageBytes;
    } finally {
      files.close(imageFd);
    }
  } finally {
    files.close(ghostFd);
  }
}

/**
 * Describes an image that is there already. It was made where the content lay, or by an earlier seal that did
 * not come to its end.
 */
async function describeMade(
  { host: { files, engine } }: Context,
  images: string,
  image: string,
  entry: ManifestGhost,
  header: Buffer,
): Promise<bigint> {
  const path = `${images}/${arrivedFolder}/${image}`;
  if (!files.exists(path) || !files.readStart(path, header.length).equals(header))
    throw new GhostkeepError(
      'IMAGE_MISSING',
      image,
      `cannot seal ${image}: the receiver has no content for it; send the dump again`,
    );
  const fd = files.open(path);
  try {
    const report = await engine.check(fd);
    entry.data = {
      unwritten: 0,
      engine: 'auto',
      fallbacks: 0,
      ways: [],
      ...entry.data,
      bytes: countToJson(report.dataBytes),
      chunks: countToJson(report.chunks),
      imageBytes: countToJson(report.imageBytes),
    };
    return 0n;
  } finally {
    files.close(fd);
  }
}

/**
 * Waits until the disk has all the images, gives them their names, and removes the content that they were
 * made of.
 */
function keepImages(
  context: Context,
  images: string,
  ghosts: Ghosts,
  made: readonly MoveSealGhost[],
  disk: number,
): void {
  const { files, moving } = context.host;
  const there = made
    .map(({ key, image }, index) => ({ key, image, making: `${images}/${makingName(index)}` }))
    .filter(({ key }) => files.exists(`${images}/${movedName(key)}`));
  if (there.length >= wholeFrom) moving.store.syncDisk(disk);
  else for (const { making } of there) syncOne(context, making);
  for (const { making, image } of there) files.rename(making, `${images}/${arrivedFolder}/${image}`);
  files.syncFolder(`${images}/${arrivedFolder}`);
  for (const { key } of there) ghosts.remove(key);
}

function syncOne({ host: { files, moving } }: Context, path: string): void {
  const fd = files.open(path);
  try {
    moving.store.sync(fd);
  } finally {
    files.close(fd);
  }
}

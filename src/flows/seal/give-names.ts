import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { Durability, Files } from '../../base/host/host.js';
import { countToJson, showDev } from '../../base/units.js';
import { decodeGhostHead, headBytes } from '../../criu/ghost-file.js';
import { folder, isPendingName, sealedName } from '../../image/layout.js';
import { syncImage } from '../../image/sync-image.js';
import type { Context } from '../context.js';
import { factsOf } from '../prepared/prepared.js';
import { beginSync } from '../steps.js';

/**
 * Asserts that no other program has made a file of the name that PENDING is to get. The dump found no image
 * by that name (other-images.ts).
 */
export function assertNotTaken(files: Files, images: string, pending: string, image: string): void {
  if (!files.exists(`${images}/${image}`) || !files.exists(`${images}/${pending}`)) return;
  throw new GhostkeepError(
    'SEAL_FAILED',
    image,
    `cannot name ${pending}: another program has put ${image} there meanwhile; move that elsewhere, then \`ghostkeep seal -D ${files.realPath(images)}\``,
  );
}

/** Gives each image its final name, with an id from FIRST on: the ids below it are CRIU's. */
export function giveNames(
  context: Context,
  images: string,
  journal: Manifest,
  first: number,
  { durable }: Durability,
): ManifestGhost[] {
  const { files } = context.host;
  if (durable) beginSync(context, journal.ghosts.length, 'sealing');
  const given = journal.ghosts.map((ghost, index) => toSealed(ghost, first + index));
  const renamed = durable ? 0 : renameFirst(context, images, journal.ghosts, given);
  const give = (ghost: ManifestGhost, index: number) => {
    const sealed = given[index] as ManifestGhost;
    const { image } = sealed;
    if (ghost.moved || index < renamed) return sealed;
    if (image === ghost.image) assertThere(files, images, image);
    else if (!isRenamed(files, `${images}/${ghost.image}`, `${images}/${image}`))
      assertImageOf(files, images, image, ghost);
    if (durable) syncOrDisown(files, images, image);
    context.alive?.();
    if (durable) context.progress?.did();
    return sealed;
  };
  return files.holding(`${images}/${folder}`, () => journal.ghosts.map(give));
}

/** Files that one call renames; after each call we give a sign of life. */
const mostAtOnce = 1024;

/**
 * Renames many images in one call, up to the first that is not there, for example because an earlier seal has
 * renamed it. @param given the entries with the final names. @returns how many were renamed
 */
function renameFirst(
  { host: { files }, alive }: Context,
  images: string,
  ghosts: readonly ManifestGhost[],
  given: readonly ManifestGhost[],
): number {
  const isOther = ({ image, moved }: ManifestGhost, index: number) => moved || image === given[index]?.image;
  const end = ghosts.findIndex(isOther);
  const pairs = ghosts
    .slice(0, end < 0 ? ghosts.length : end)
    .map(({ image }, index) => [`${images}/${image}`, `${images}/${given[index]?.image}`] as const);
  let renamed = 0;
  for (let first = 0; first < pairs.length && renamed === first; first += mostAtOnce) {
    renamed += files.renameMany(pairs.slice(first, first + mostAtOnce));
    alive?.();
  }
  return renamed;
}

/** The entry with its final id and the final name of its image. @param next the id that is free */
function toSealed(ghost: ManifestGhost, next: number): ManifestGhost {
  const prepared = factsOf(ghost)?.sealed;
  if (prepared?.id === next) return prepared;
  const id = givenId(ghost.image) ?? next;
  return { ...ghost, id, image: isPendingName(ghost.image) ? sealedName(ghost.image, id) : ghost.image };
}

/**
 * Syncs an image. A failed fsync(2) is reported once, and the next one would succeed. So the image then loses
 * its name, and no later seal vouches for it.
 */
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

/** The id in the image's name. A journal of an earlier version may name images by ids, and these stay. */
function givenId(image: string): number | undefined {
  const digits = /^ghost-file-([0-9a-f]+)\.img$/.exec(image)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** @returns false if it was renamed before */
function isRenamed(files: Files, from: string, to: string): boolean {
  try {
    files.rename(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

/**
 * Asserts that the file by this name is the ghost's image. An earlier seal may have renamed the image to it.
 * But the image may also be lost, and the file may be of an earlier checkpoint. The head of the file says
 * which.
 */
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

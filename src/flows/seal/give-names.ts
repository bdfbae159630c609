import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { Durability, Files } from '../../base/host/host.js';
import { countToJson, showDev } from '../../base/units.js';
import { decodeGhostHead, headBytes } from '../../criu/ghost-file.js';
import { folder, isPendingName, sealedName } from '../../image/layout.js';
import { syncImage } from '../../image/sync-image.js';
import type { Context } from '../context.js';
import { beginSync } from '../steps.js';

/**
 * The dump found no image by that name (other-images.ts), so if one is there now, another program made it.
 */
export function assertNotTaken(files: Files, images: string, pending: string, image: string): void {
  if (!files.exists(`${images}/${image}`) || !files.exists(`${images}/${pending}`)) return;
  throw new GhostkeepError(
    'SEAL_FAILED',
    image,
    `cannot name ${pending}: another program has put ${image} there meanwhile; move that elsewhere, then \`ghostkeep seal -D ${files.realPath(images)}\``,
  );
}

/** CRIU has given out its ids; ours follow them, from FIRST on. */
export function giveNames(
  context: Context,
  images: string,
  journal: Manifest,
  first: number,
  { durable }: Durability,
): ManifestGhost[] {
  const { files } = context.host;
  if (durable) beginSync(context, journal.ghosts.length, 'sealing');
  const give = (ghost: ManifestGhost, index: number) => {
    const id = givenId(ghost.image) ?? first + index;
    const image = isPendingName(ghost.image) ? sealedName(ghost.image, id) : ghost.image;
    if (image === ghost.image) assertThere(files, images, image);
    else if (!isRenamed(files, `${images}/${ghost.image}`, `${images}/${image}`))
      assertImageOf(files, images, image, ghost);
    if (durable) syncOrDisown(files, images, image);
    context.alive?.();
    if (durable) context.progress?.did();
    return { ...ghost, id, image };
  };
  return files.holding(`${images}/${folder}`, () => journal.ghosts.map(give));
}

/**
 * A failed fsync(2) is reported once and the next one would succeed, so the image loses its name: no later
 * seal may vouch for it.
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

/** An earlier version's journal may name images by their ids, which are then given already. */
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
 * An earlier seal has renamed the image, or the image was lost and an earlier checkpoint has left another
 * image by this name. Its head tells which.
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

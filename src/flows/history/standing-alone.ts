/** The steps that both ways to make a packed checkpoint stand alone again have in common. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { showBytes } from '../../base/units.js';
import { isPacked } from '../../chain/packed.js';
import { unregisterChild } from '../chain/children.js';
import { type Link, Parents } from '../chain/open-layers.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';

export interface Unpacked {
  /** How many ghosts have an image again, made from their layers. */
  unpacked: number;
  /** Bytes on disk that the layers have given up meanwhile. */
  freedBytes: bigint;
}

/**
 * Makes a manifest without a parent.
 * @param whole the new entries of the ghosts that have an image again, by the names of their images
 */
export function standingAlone(
  { parent, ...manifest }: Manifest,
  whole: ReadonlyMap<string, ManifestGhost>,
): Manifest {
  return {
    ...manifest,
    ghosts: manifest.ghosts.map(ghost => (isPacked(ghost) ? (whole.get(ghost.image) ?? ghost) : ghost)),
  };
}

/**
 * Asserts that NEEDED bytes are free. The images may take less where blocks are shared, but nobody knows
 * beforehand how much less. @throws NO_SPACE
 */
export function assertRoom(
  { host: { files } }: Context,
  target: string,
  needed: bigint,
  action: string,
): void {
  const free = files.freeBytes(target);
  if (free === undefined || free >= needed) return;
  const where = files.realPath(target);
  throw new GhostkeepError(
    'NO_SPACE',
    where,
    `${action}: ${showBytes(needed)} needed in ${where}, ${showBytes(free)} free`,
  );
}

/**
 * Takes the directory out of its parent's list of children. If that fails, the entry stays and does no harm,
 * because no manifest names it any more.
 */
export async function leaveParent(context: Context, link: Link): Promise<void> {
  const { parent } = link.manifest;
  if (!parent) return;
  try {
    const above = new Parents(context).above(link);
    await asOwner(context, above.images, images => unregisterChild(context, images, parent.child));
  } catch (error) {
    if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) throw error;
    context.log.info(`${link.where} stays in its parent's list of children: ${reasonOf(error)}`);
  }
}

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
  /** How many ghosts were put together. */
  unpacked: number;
  /** Bytes that the layers have freed meanwhile. */
  freedBytes: bigint;
}

/** @param whole the entries of the ghosts that are whole now, by their images */
export function standingAlone(
  { parent, ...manifest }: Manifest,
  whole: ReadonlyMap<string, ManifestGhost>,
): Manifest {
  return {
    ...manifest,
    ghosts: manifest.ghosts.map(ghost => (isPacked(ghost) ? (whole.get(ghost.image) ?? ghost) : ghost)),
  };
}

/** Where blocks are shared, less may be used; nobody knows before. @throws NO_SPACE */
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

/** The entry in the parent's list does no harm when it stays, because nothing names it any more. */
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

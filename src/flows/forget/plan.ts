/** Plans how each child does without a checkpoint that is to go, and how much room that takes. */
import type { Layer, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import { showBytes } from '../../base/units.js';
import { assertNothingGiven, hasGiven } from '../../chain/given.js';
import { findIn, isPacked, type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { type Link, type OpenLayers, openLayers, Parents } from '../chain/open-layers.js';
import { aliveWhenMoving, type Context } from '../context.js';
import { roomOf } from '../history/unpack.js';

/** How a packed ghost of a child does without the checkpoint between it and `parent`. */
export interface Share {
  ghost: PackedGhost;
  /** The same file in the parent of the checkpoint that goes. Without it the ghost becomes whole. */
  parent: Layer['parent'];
  /** The bytes that are written for it. */
  bytes: bigint;
}

export interface Plan {
  heir: Link;
  shares: Share[];
  bytes: bigint;
}

/**
 * Reads maps only, so it takes no time that counts.
 * @throws CHAIN_…, IMAGE_…, GIVEN_UP where the child cannot be put together: it would lose what it needs
 */
export async function planHeir(context: Context, heir: Link, link: Link): Promise<Plan> {
  // A child that has given something up is never written anew. It has to be forgotten first: its own child
  // can do without it.
  assertNothingGiven(
    heir.manifest,
    `cannot forget ${link.where}: ${heir.where} needs it, so forget ${heir.where} first`,
    heir.where,
  );
  const parents = new Parents(context);
  parents.all(heir);
  const shares: Share[] = [];
  for (const ghost of packedGhosts(heir.manifest))
    if (ghost.layer.parent) shares.push(await planGhost(context, heir, link, ghost, parents));
  return { heir, shares, bytes: shares.reduce((sum, { bytes }) => sum + bytes, 0n) };
}

async function planGhost(
  context: Context,
  heir: Link,
  link: Link,
  ghost: PackedGhost,
  parents: Parents,
): Promise<Share> {
  const below = ghost.layer.parent && findIn(link.manifest.ghosts, ghost.layer.parent);
  const whole = { ghost, parent: undefined, bytes: roomOf(ghost) };
  const layers = await openLayers(context, heir, ghost, parents);
  try {
    await assertAllThere(context, layers);
    if (!hasParent(below)) return whole;
    const two = layers.levels.slice(0, 2);
    const counted = await layers.use(() => context.host.engine.countJoined(two, aliveWhenMoving(context)));
    // No part of the ghost lies in the parents of the checkpoint that goes, so a layer would save nothing.
    if (counted.keptBytes === 0n) return whole;
    return { ghost, parent: below.layer.parent, bytes: counted.dataBytes + counted.imageBytes };
  } finally {
    layers.close();
  }
}

/** Checks that no parent has given up what the child needs. Reads maps and records only. @throws GIVEN_UP */
async function assertAllThere(context: Context, layers: OpenLayers): Promise<void> {
  const { engine } = context.host;
  for (const [depth, { ghost }] of layers.at.entries())
    if (depth > 0 && isPacked(ghost) && hasGiven(ghost))
      await layers.use(levels => engine.giveUp(levels, depth, undefined, 1, aliveWhenMoving(context)));
}

const hasParent = (ghost: ManifestGhost | undefined): ghost is PackedGhost =>
  ghost !== undefined && isPacked(ghost) && ghost.layer.parent !== undefined;

/** Children lose their old files only when the new ones are there, so both need room. @throws NO_SPACE */
export function assertRoomFor({ host: { files } }: Context, plans: readonly Plan[], action: string): void {
  const disks = new Map<bigint, { where: string; images: string; bytes: bigint }>();
  for (const { heir, bytes } of plans) {
    const { dev } = files.statPath(heir.where);
    const disk = disks.get(dev);
    disks.set(dev, { where: heir.where, images: heir.images, bytes: bytes + (disk?.bytes ?? 0n) });
  }
  for (const { where, images, bytes } of disks.values()) {
    const free = files.freeBytes(images);
    if (free === undefined || free >= bytes) continue;
    throw new GhostkeepError(
      'NO_SPACE',
      where,
      `${action}: what needs it takes ${showBytes(bytes)} over, and ${showBytes(free)} are free on the disk of ${where}`,
    );
  }
}

/** Makes a packed checkpoint stand alone again: where it is, or as a copy in another directory. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { assertNothingGiven } from '../../chain/given.js';
import { bytesOf, isPacked, type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { manifestName, wholeName } from '../../image/layout.js';
import { readSealedManifest, writeManifest } from '../../image/manifest.js';
import { assertNoChildren, unregisterChild } from '../chain/children.js';
import { type Link, Parents } from '../chain/open-layers.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { copyOthers, otherFiles } from './copy-others.js';
import { tidy } from './tidy.js';
import { unpackGhost } from './unpack-one.js';

export interface UnpackRequest {
  images: string;
  /** Where the checkpoint is to stand alone; in its own directory where this is missing. */
  to?: string | undefined;
}

/**
 * Images get their names when all of them are on the disk, and the manifest comes after them. The layers go
 * last. Whoever is killed before that leaves a packed checkpoint that is as good as before.
 * @returns how many ghosts were put together; nothing is done in place where none is packed
 * @throws NO_SPACE and HAS_CHILDREN before anything is written; CHAIN_…, IMAGE_…, IN_USE
 */
export async function unpack(context: Context, { images, to }: UnpackRequest): Promise<number> {
  const { files } = context.host;
  const isHere = to === undefined;
  if (isHere && packedGhosts(readSealedManifest(files, images)).length === 0) return 0;
  return asOwner(context, images, owned =>
    isHere ? unpackHere(context, owned, images) : unpackTo(context, linkOf(context, owned, images), to),
  );
}

function linkOf({ host: { files } }: Context, images: string, name: string): Link {
  return { images, where: files.realPath(name), manifest: readSealedManifest(files, images) };
}

async function unpackHere(context: Context, images: string, name: string): Promise<number> {
  const { files } = context.host;
  tidy(files, images);
  const link = linkOf(context, images, name);
  const packed = packedGhosts(link.manifest);
  const action = `cannot materialize ${link.where}`;
  assertNothingGiven(link.manifest, action, link.where);
  assertNoChildren(context, images, action);
  new Parents(context).all(link);
  assertRoom(
    context,
    images,
    packed.reduce((sum, ghost) => sum + roomOf(ghost), 0n),
    action,
  );
  const made: string[] = [];
  try {
    const whole = await unpackAll(context, link, images, made);
    for (const ghost of packed) files.rename(`${images}/${wholeName(ghost.id)}`, `${images}/${ghost.image}`);
    files.syncFolder(images);
    writeManifest(files, images, standingAlone(link.manifest, whole), { durable: true });
  } catch (error) {
    for (const path of made) files.remove(path);
    throw error;
  }
  tidy(files, images);
  await leaveParent(context, link);
  warnOfRefused(context, images);
  return packed.length;
}

async function unpackTo(context: Context, link: Link, to: string): Promise<number> {
  const { files } = context.host;
  const action = `cannot materialize ${link.where} to ${to}`;
  assertNothingGiven(link.manifest, action, link.where);
  new Parents(context).all(link);
  files.makeDirectory(to);
  return asOwner(context, to, async target => {
    if (files.list(target).length > 0)
      throw new GhostkeepError(
        'BAD_INPUT',
        to,
        `${action}: it is not empty; name a directory that is not there yet`,
      );
    const others = otherFiles(context, link, action);
    const packed = packedGhosts(link.manifest);
    const copied = others.reduce((sum, { size }) => sum + size, 0n);
    assertRoom(
      context,
      target,
      packed.reduce((sum, ghost) => sum + roomOf(ghost), copied),
      action,
    );
    const made: string[] = [];
    try {
      await copyOthers(context, link, others, target, made);
      const whole = await unpackAll(context, link, target, made);
      for (const ghost of packed) {
        made.push(`${target}/${ghost.image}`);
        files.rename(`${target}/${wholeName(ghost.id)}`, `${target}/${ghost.image}`);
      }
      files.syncFolder(target);
      made.push(`${target}/${manifestName}`);
      writeManifest(files, target, standingAlone(link.manifest, whole), { durable: true });
    } catch (error) {
      for (const path of made) files.remove(path);
      throw error;
    }
    warnOfRefused(context, target);
    return packed.length;
  });
}

async function unpackAll(
  context: Context,
  link: Link,
  target: string,
  made: string[],
): Promise<Map<ManifestGhost, ManifestGhost>> {
  const parents = new Parents(context);
  const whole = new Map<ManifestGhost, ManifestGhost>();
  for (const ghost of packedGhosts(link.manifest)) {
    made.push(`${target}/${wholeName(ghost.id)}`);
    whole.set(ghost, await unpackGhost(context, link, ghost, parents, `${target}/${wholeName(ghost.id)}`));
  }
  return whole;
}

function standingAlone(
  { parent, ...manifest }: Manifest,
  whole: ReadonlyMap<ManifestGhost, ManifestGhost>,
): Manifest {
  return {
    ...manifest,
    ghosts: manifest.ghosts.map(ghost => (isPacked(ghost) ? (whole.get(ghost) ?? ghost) : ghost)),
  };
}

/** The image that was packed had headers beside the data, and zeroes that its layer has not. */
const roomOf = (ghost: PackedGhost) => (ghost.data ? countFromJson(ghost.data.imageBytes) : bytesOf(ghost));

/** Where blocks are shared, less may be used; nobody knows before. @throws NO_SPACE */
function assertRoom({ host: { files } }: Context, target: string, needed: bigint, action: string): void {
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
async function leaveParent(context: Context, link: Link): Promise<void> {
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

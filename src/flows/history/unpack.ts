/** Makes a packed checkpoint stand alone again: where it is, or as a copy in another directory. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import { countFromJson } from '../../base/units.js';
import { assertNothingGiven } from '../../chain/given.js';
import { bytesOf, type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { manifestName, wholeName } from '../../image/layout.js';
import { readSealedManifest, writeManifest } from '../../image/manifest.js';
import { assertNoChildren } from '../chain/children.js';
import { type Link, Parents } from '../chain/open-layers.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { beginImages } from '../steps.js';
import { copyOthers, otherFiles } from './copy-others.js';
import { assertRoom, leaveParent, standingAlone, type Unpacked } from './standing-alone.js';
import { tidy } from './tidy.js';
import { unpackMoving } from './unpack-moving.js';
import { unpackGhost } from './unpack-one.js';

export interface UnpackRequest {
  images: string;
  /** The directory for a copy that stands alone. Without it, the checkpoint stands alone where it is. */
  to?: string | undefined;
  /** The layers give up what the images have already. */
  autoDedup?: boolean;
}

/**
 * Makes an image for each packed ghost. The images get their names when all of them are on the disk, then
 * comes the manifest, and the layers go last. If the command is killed before the manifest has its name, the
 * checkpoint is packed and as good as before. Without `to`, nothing is done if no ghost is packed.
 * @throws NO_SPACE and HAS_CHILDREN before anything is written; CHAIN_…, IMAGE_…, IN_USE
 */
export async function unpack(
  context: Context,
  { images, to, autoDedup = false }: UnpackRequest,
): Promise<Unpacked> {
  const { files } = context.host;
  const isHere = to === undefined;
  if (isHere && packedGhosts(readSealedManifest(files, images)).length === 0) return none;
  return asOwner(context, images, async owned => {
    if (autoDedup) return unpackMoving(context, owned, images, to);
    const unpacked = isHere
      ? await unpackHere(context, owned, images)
      : await unpackTo(context, linkOf(context, owned, images), to);
    return { ...none, unpacked };
  });
}

const none: Unpacked = { unpacked: 0, freedBytes: 0n };

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
): Promise<Map<string, ManifestGhost>> {
  const parents = new Parents(context);
  const whole = new Map<string, ManifestGhost>();
  const packed = packedGhosts(link.manifest);
  beginImages(context, 'putting together', packed);
  for (const ghost of packed) {
    made.push(`${target}/${wholeName(ghost.id)}`);
    whole.set(
      ghost.image,
      await unpackGhost(context, link, ghost, parents, `${target}/${wholeName(ghost.id)}`),
    );
    context.progress?.did();
  }
  return whole;
}

/**
 * The room for the image of a packed ghost. The image has headers beside the data, and zeroes that the layer
 * leaves out.
 */
export const roomOf = (ghost: PackedGhost) =>
  ghost.data ? countFromJson(ghost.data.imageBytes) : bytesOf(ghost);

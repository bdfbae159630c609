/** Packs a checkpoint: its directory keeps only what differs from that of an earlier one, its parent. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { ManifestGhost, Parent } from '../../base/documents/generated/manifest.js';
import type { Packed } from '../../base/documents/generated/packed.js';
import { GhostkeepError } from '../../base/errors.js';
import { countFromJson, countToJson } from '../../base/units.js';
import { assertNothingGiven } from '../../chain/given.js';
import { mostParents, type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { pairGhosts } from '../../chain/pair.js';
import { ghostImageName, manifestName } from '../../image/layout.js';
import { readSealedManifest, writeManifest } from '../../image/manifest.js';
import { syncImage } from '../../image/sync-image.js';
import { registerChild, unregisterChild } from '../chain/children.js';
import { type Link, Parents } from '../chain/open-layers.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { assertUndamaged, verify } from '../restore/verify.js';
import { beginImages, beginSync } from '../steps.js';
import { packGhost } from './pack-one.js';
import { tidy } from './tidy.js';

export interface PackRequest {
  /** The directory to pack. */
  images: string;
  parent: string;
}

/**
 * Checks everything before a byte is written. The images go last: when the disk has the layers and the
 * manifest that names them. A pack that is killed before that leaves the checkpoint as it was.
 * @throws CHAIN_WRONG, PACKED, IN_USE, and the code of the first damage of either directory
 */
export async function pack(context: Context, { images, parent }: PackRequest): Promise<Packed> {
  const { files } = context.host;
  assertTwo(context, images, parent);
  return asOwner(context, images, child =>
    asOwner(context, parent, above => {
      const link = (path: string, name: string): Link => ({
        images: path,
        where: files.realPath(name),
        manifest: readSealedManifest(files, path),
      });
      for (const each of [child, above]) tidy(files, each);
      return packInto(context, link(child, images), link(above, parent));
    }),
  );
}

/** @throws CHAIN_WRONG where both names lead to one directory */
function assertTwo({ host: { files } }: Context, images: string, parent: string): void {
  const where = files.realPath(images);
  if (where !== files.realPath(parent)) return;
  throw new GhostkeepError('CHAIN_WRONG', where, `cannot pack ${where}: a directory is not its own parent`);
}

async function packInto(context: Context, child: Link, parent: Link): Promise<Packed> {
  await assertFit(context, child, parent);
  const { files } = context.host;
  const { ghosts } = child.manifest;
  const registration = { id: randomUUID(), path: path.relative(parent.where, child.where) };
  registerChild(context, parent.images, registration);
  const layers = new Map<ManifestGhost, PackedGhost>();
  try {
    const parents = new Parents(context);
    const pairs = pairGhosts(ghosts.filter(isWorthPacking), parent.manifest.ghosts);
    beginImages(context, 'packing', [...pairs.keys()]);
    for (const [ghost, other] of pairs) {
      const packed = await packGhost(context, { child, parent, ghost, other, parents });
      if (packed) layers.set(ghost, packed);
      context.progress?.did();
    }
    if (layers.size > 0) {
      files.syncFolder(child.images);
      const above: Parent = {
        path: path.relative(child.where, parent.where),
        created: parent.manifest.created,
        child: registration.id,
      };
      const manifest = {
        ...child.manifest,
        parent: above,
        ghosts: ghosts.map(each => layers.get(each) ?? each),
      };
      writeManifest(files, child.images, manifest, { durable: true });
    }
  } catch (error) {
    giveUp(context, child, parent, registration.id);
    throw error;
  }
  if (layers.size === 0) unregisterChild(context, parent.images, registration.id);
  tidy(files, child.images);
  warnOfRefused(context, child.images);
  return summary(child, parent, [...layers.values()]);
}

/**
 * Takes back a pack that has failed. But the new manifest may already be there under its name, although the
 * disk has failed to take it. Then the layers, the images and the entry in the parent all stay.
 */
function giveUp(context: Context, child: Link, parent: Link, id: string): void {
  const { files } = context.host;
  if (readSealedManifest(files, child.images).parent?.child === id) return;
  tidy(files, child.images);
  unregisterChild(context, parent.images, id);
}

/**
 * True for a ghost that CRIU reads from `ghost-file-*.img` and whose image has more than one unit. A CRIU
 * without ghostkeep must stop at a packed checkpoint, and only such an image stops it by being missing. For
 * one unit, a map and data would need as much room as the image.
 */
const isWorthPacking = ({ id, image, size, data }: ManifestGhost) =>
  image === ghostImageName(id) && countFromJson(data?.imageBytes ?? size) > 65536n;

/** @throws before anything is written, whatever is wrong with either directory */
async function assertFit(context: Context, child: Link, parent: Link): Promise<void> {
  const action = `cannot pack ${child.where} with parent ${parent.where}`;
  assertNothingGiven(child.manifest, action, child.where);
  assertNothingGiven(parent.manifest, `${action}: ${parent.where}`, parent.where);
  if (packedGhosts(child.manifest).length > 0)
    throw new GhostkeepError(
      'PACKED',
      child.where,
      `${action}: it is packed already; \`ghostkeep materialize -D ${child.where}\` comes first`,
    );
  const links = new Parents(context).all(parent);
  if (links.some(({ where }) => where === child.where))
    throw new GhostkeepError(
      'CHAIN_WRONG',
      parent.where,
      `${action}: the parent needs ${child.where} itself`,
    );
  // LINKS are the parent and its own parents: all the parents that the child would have.
  if (links.length > mostParents)
    throw new GhostkeepError(
      'CHAIN_WRONG',
      parent.where,
      `${action}: it would have more than ${mostParents} parents; materialize ${parent.where} first`,
    );
  // This check may read from the page cache, because packing reads the bytes of the child once more.
  const quick = { fromDisk: false };
  assertUndamaged(await verify(context, child.images, quick), action);
  for (const { images, where } of links) {
    const found = await verify(context, images, quick);
    // A parent may have given up data that no directory needs any more. That is no damage.
    const damage = found.damage.filter(({ code }) => code !== 'GIVEN_UP');
    assertUndamaged({ ...found, damage }, `${action}: ${where} is damaged`);
  }
  beginSync(
    context,
    links.reduce((sum, { manifest }) => sum + manifest.ghosts.length, 0),
  );
  for (const link of links) syncLink(context, link);
}

/** The child will rely on its parents, so the disk must have them before the child's own images go. */
function syncLink({ host: { files }, progress }: Context, { images, manifest }: Link): void {
  for (const { image, layer } of manifest.ghosts) {
    for (const name of layer
      ? [layer.map, layer.data, ...(layer.given ? [layer.given.record] : [])]
      : [image])
      syncImage(files, images, name, 'make the checkpoint again');
    progress?.did();
  }
  files.sync(`${images}/${manifestName}`);
  files.syncFolder(images);
}

function summary(child: Link, parent: Link, packed: readonly PackedGhost[]): Packed {
  const sum = (bytes: (ghost: PackedGhost) => number | string) =>
    countToJson(packed.reduce((all, ghost) => all + countFromJson(bytes(ghost)), 0n));
  return {
    images: child.where,
    parent: parent.where,
    ghosts: child.manifest.ghosts.length,
    packed: packed.length,
    wholeBytes: sum(({ data, size }) => data?.imageBytes ?? size),
    dataBytes: sum(({ layer }) => layer.dataBytes),
    mapBytes: sum(({ layer }) => layer.mapBytes),
  };
}

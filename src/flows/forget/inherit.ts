/** A child takes over what it needs of a checkpoint that is to go, and then needs it no longer. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, translate } from '../../base/errors.js';
import { showId } from '../../base/text/ghost-id.js';
import { countToJson } from '../../base/units.js';
import { isPacked, type PackedGhost } from '../../chain/packed.js';
import { nextLayerNames, wholeName } from '../../image/layout.js';
import { readSealedManifest, writeManifest } from '../../image/manifest.js';
import { registerChild, unregisterChild } from '../chain/children.js';
import { type Link, openLayers, Parents } from '../chain/open-layers.js';
import { type Context, whenMoving } from '../context.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { readLayerAgain } from '../history/read-again.js';
import { tidy } from '../history/tidy.js';
import { unpackGhost } from '../history/unpack-one.js';
import type { Plan, Share } from './plan.js';

/**
 * Everything is decided when the child's new manifest is written. Until then the child needs the checkpoint
 * that goes; from then on it needs the parent of that checkpoint, or nothing. `tidy` removes the files of the
 * other state, here or in the next command.
 * For the owner of the child and of its new parent.
 * @param above the parent of the checkpoint that goes
 */
export async function inherit(
  context: Context,
  { heir, shares }: Plan,
  above: Link | undefined,
): Promise<void> {
  const { files } = context.host;
  const id = randomUUID();
  const isPackedStill = shares.some(({ parent }) => parent);
  const parent = isPackedStill && above ? parentOf(heir, above, id) : undefined;
  if (parent && above)
    registerChild(context, above.images, { id, path: path.relative(above.where, heir.where) });
  try {
    const ghosts = await writeShares(context, heir, shares);
    files.syncFolder(heir.images);
    const { parent: _, ...manifest } = heir.manifest;
    const next: Manifest = {
      ...manifest,
      ...(parent ? { parent } : {}),
      ghosts: manifest.ghosts.map(each => ghosts.get(each) ?? each),
    };
    writeManifest(files, heir.images, next, { durable: true });
  } catch (error) {
    giveUp(context, heir, above, id);
    throw error;
  }
  tidy(files, heir.images);
  warnOfRefused(context, heir.images);
}

const parentOf = ({ where }: Link, above: Link, child: string) => ({
  path: path.relative(where, above.where),
  created: above.manifest.created,
  child,
});

/**
 * Undoes what was begun. If the new manifest is in place already, although the disk has failed to take it,
 * the files of both states stay.
 */
function giveUp(context: Context, heir: Link, above: Link | undefined, id: string): void {
  const { files } = context.host;
  if (readSealedManifest(files, heir.images).parent?.child !== heir.manifest.parent?.child) return;
  tidy(files, heir.images);
  if (above) unregisterChild(context, above.images, id);
}

async function writeShares(
  context: Context,
  heir: Link,
  shares: readonly Share[],
): Promise<Map<ManifestGhost, ManifestGhost>> {
  const { files } = context.host;
  const parents = new Parents(context);
  const ghosts = new Map<ManifestGhost, ManifestGhost>();
  const bytes = () => shares.reduce((sum, share) => sum + share.bytes, 0n);
  context.progress?.begin({ what: 'putting together', item: 'ghost', items: shares.length, bytes });
  for (const { ghost, parent } of shares) {
    const path = `${heir.images}/${wholeName(ghost.id)}`;
    ghosts.set(
      ghost,
      parent
        ? await joinGhost(context, heir, ghost, parent, parents)
        : await unpackGhost(context, heir, ghost, parents, path),
    );
    context.progress?.did();
  }
  // The manifest still says that these are packed, so whoever finds these images there removes them.
  for (const [{ id, image }, after] of ghosts)
    if (!isPacked(after)) files.rename(`${heir.images}/${wholeName(id)}`, `${heir.images}/${image}`);
  return ghosts;
}

/**
 * Writes a child's map and data anew, with what it needs of the layer in the checkpoint that goes, and reads
 * them again as a check.
 */
async function joinGhost(
  context: Context,
  heir: Link,
  ghost: PackedGhost,
  parent: NonNullable<Share['parent']>,
  parents: Parents,
): Promise<PackedGhost> {
  const { files, engine } = context.host;
  const names = nextLayerNames(ghost.id, ghost.layer.map);
  const [map, data] = [`${heir.images}/${names.map}`, `${heir.images}/${names.data}`];
  const layers = await openLayers(context, heir, ghost, parents);
  const fds: number[] = [];
  try {
    for (const path of [map, data]) fds.push(files.create(path));
    const [mapFd, dataFd] = fds as [number, number];
    const joined = { ghost: layers.levels.slice(0, 2), parent: [], mapFd, dataFd };
    const written = await layers.use(() => engine.pack(joined, whenMoving(context)));
    files.matchOwner([map, data], `${heir.images}/${ghost.layer.map}`);
    for (const fd of fds) await files.flush(fd);
    const name = await readLayerAgain(context, { mapFd, dataFd }, written, names.map);
    return {
      ...ghost,
      layer: {
        ...names,
        name,
        mapBytes: countToJson(written.imageBytes),
        dataBytes: countToJson(written.dataBytes),
        parentBytes: countToJson(written.keptBytes),
        parent,
      },
    };
  } catch (error) {
    const code = errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO';
    const action = `cannot put ghost ${showId(ghost.id)} (${ghost.path}) of ${heir.where} together`;
    throw translate(error, code, ghost.layer.map, action);
  } finally {
    for (const fd of fds) files.close(fd);
    layers.close();
  }
}

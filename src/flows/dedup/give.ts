/** Gives up what a plan says: first the record of it becomes durable, then the blocks are freed. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Given, Layer, ManifestGhost, Taker } from '../../base/documents/generated/manifest.js';
import { errnoOf } from '../../base/errors.js';
import type { Level } from '../../base/host/host.js';
import { countToJson } from '../../base/units.js';
import { isPacked, type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { givenName, layerNames } from '../../image/layout.js';
import { writeManifest } from '../../image/manifest.js';
import { type Link, openOwnLayer } from '../chain/open-layers.js';
import { type Context, whenMoving } from '../context.js';
import { readLayerAgain } from '../history/read-again.js';
import { tidy } from '../history/tidy.js';
import { explain, type GhostPlan, openReplacing, type Plan } from './plan.js';

/**
 * Writes what a parent gives up into its manifest and waits for the disk. An image of the parent is packed
 * without what is given up, and is removed only after the manifest that names its layer is on the disk. If we
 * are killed, the parent is as it was, or its manifest says what it no longer has.
 */
export async function recordGiven(context: Context, links: readonly Link[], plan: Plan): Promise<void> {
  const { files } = context.host;
  const { link } = plan;
  const layers = new Map<ManifestGhost, PackedGhost>();
  try {
    for (const each of plan.ghosts)
      if (each.isNew) layers.set(each.ghost, await recordGhost(context, links, link, each));
    if (layers.size === 0) return;
    files.syncFolder(link.images);
    const byFile = new Map([...layers].map(([ghost, layer]) => [ghost.image, layer]));
    const ghosts = link.manifest.ghosts.map(ghost => byFile.get(ghost.image) ?? ghost);
    link.manifest = { ...link.manifest, ghosts };
    writeManifest(files, link.images, link.manifest, { durable: true });
  } finally {
    tidy(files, link.images);
  }
}

async function recordGhost(
  context: Context,
  links: readonly Link[],
  link: Link,
  { child, depth, ghost, isWhole }: GhostPlan,
): Promise<PackedGhost> {
  const { files, engine } = context.host;
  const [first] = links as [Link];
  const layers = await openReplacing(context, first, child);
  const record = givenName(ghost.id, randomBytes(4).toString('hex'));
  const fd = files.create(`${link.images}/${record}`);
  try {
    const { to, place } = withTaker(isPacked(ghost) ? (ghost.layer.given?.to ?? []) : [], {
      path: path.relative(link.where, first.where),
      created: first.manifest.created,
    });
    const report = await layers.use(levels => engine.giveUp(levels, depth, fd, place, whenMoving(context)));
    const model = isPacked(ghost) ? ghost.layer.map : ghost.image;
    files.matchOwner([`${link.images}/${record}`], `${link.images}/${model}`);
    await files.flush(fd);
    const name = await engine.layerName(fd);
    const given: Given = { record, name, bytes: countToJson(report.differingBytes), to };
    const level = layers.levels[depth] as Level;
    const layer =
      isWhole && 'imageFd' in level
        ? await packGiving(context, link, ghost, { ...level, givenFd: fd })
        : (ghost as PackedGhost).layer;
    return { ...ghost, layer: { ...layer, given } };
  } catch (error) {
    throw explain(error, first, child.ghost);
  } finally {
    files.close(fd);
    layers.close();
  }
}

/** As many as the schema allows. */
const mostTakers = 1024;

/** @returns the list with the taker in it, and its place there, from 1 */
function withTaker(old: readonly Taker[], taker: Taker): { to: Given['to']; place: number } {
  const known = old.findIndex(({ path, created }) => path === taker.path && created === taker.created);
  const before = known >= 0 ? old : old.slice(0, mostTakers - 1);
  const place = (known >= 0 ? known : before.length) + 1;
  return { to: (known >= 0 ? [...before] : [...before, taker]) as Given['to'], place };
}

/** Writes map and data of an image, without the data that it gives up, and reads them again as a check. */
async function packGiving(
  context: Context,
  { images }: Link,
  { id, image }: ManifestGhost,
  level: Level,
): Promise<Layer> {
  const { files, engine } = context.host;
  const names = layerNames(id);
  const [map, data] = [`${images}/${names.map}`, `${images}/${names.data}`];
  const fds: number[] = [];
  try {
    for (const file of [map, data]) fds.push(files.create(file));
    const [mapFd, dataFd] = fds as [number, number];
    const request = { ghost: [level], parent: [], mapFd, dataFd };
    const written = await engine.pack(request, whenMoving(context));
    files.matchOwner([map, data], `${images}/${image}`);
    for (const fd of fds) await files.flush(fd);
    const { givenFd } = level;
    const layer = { mapFd, dataFd, ...(givenFd === undefined ? {} : { givenFd }) };
    return {
      ...names,
      name: await readLayerAgain(context, layer, written, names.map),
      mapBytes: countToJson(written.imageBytes),
      dataBytes: countToJson(written.dataBytes),
      parentBytes: 0,
    };
  } finally {
    for (const fd of fds) files.close(fd);
  }
}

/** @returns how many bytes are free now that were not before */
export async function freeGiven(context: Context, { link, ghosts }: Plan): Promise<bigint> {
  const { files } = context.host;
  const now = packedGhosts(link.manifest);
  let freed = 0n;
  for (const { ghost, isWhole, allocated } of ghosts) {
    const packed = now.find(({ image }) => image === ghost.image);
    if (!packed) continue;
    const { before, after } = await punchLayer(context, link, packed);
    const had = isWhole ? allocated : before;
    if (had > after) freed += had - after;
  }
  files.syncFolder(link.images);
  return freed;
}

/** Punches the holes. @returns how many bytes the data takes on the disk before and after that */
async function punchLayer(
  context: Context,
  link: Link,
  ghost: PackedGhost,
): Promise<{ before: bigint; after: bigint }> {
  const { files, engine } = context.host;
  const layers = await openOwnLayer(context, link, ghost, { given: true, writable: true });
  try {
    const [level] = layers.levels as [Level & { dataFd: number }];
    const before = files.stat(level.dataFd).allocated;
    await engine.punch(level, whenMoving(context));
    await files.flush(level.dataFd);
    return { before, after: files.stat(level.dataFd).allocated };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw explain(error, link, ghost);
  } finally {
    layers.close();
  }
}

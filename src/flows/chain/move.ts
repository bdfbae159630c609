/**
 * Moves a packed ghost out of its layers into one file, piece by piece. As soon as a piece is on the disk at
 * the target, the layers give it up, so that hardly more than one copy exists at any time. The move can be
 * interrupted and repeated.
 */
import path from 'node:path';
import type { ManifestGhost, MovedLayer } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { EngineReport, Level } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson, countToJson } from '../../base/units.js';
import { givenUp, takersOf } from '../../chain/given.js';
import { bytesOf, isPacked, type PackedGhost } from '../../chain/packed.js';
import { writeManifest } from '../../image/manifest.js';
import { aliveWhenMoving, type Context, whenMoving } from '../context.js';
import { type Link, type OpenLayers, openLayers, Parents } from './open-layers.js';

export interface Move {
  /**
   * The directory, then all its parents. The caller holds the lock of each (asOwnerOfChain). Each step is
   * noted in their manifests, on the disk and in these objects.
   */
  links: readonly Link[];
  ghost: PackedGhost;
  /** The real path of the directory that gets the ghost. */
  to: string;
  /** The file in that directory; empty, or as an interrupted move has left it. */
  toFd: number;
  /** The head of a ghost image. Without it the target becomes the ghost itself and not an image of it. */
  header?: Uint8Array;
}

const leastPiece = 4n << 20n;
const unitBytes = 65536n;

/**
 * How many bytes are written before the layers give them up. Pieces are not smaller, because each costs some
 * fsyncs.
 */
export function pieceBytes(ghost: PackedGhost): bigint {
  const part = bytesOf(ghost) / 16n;
  return part > leastPiece ? part : leastPiece;
}

/**
 * The first unit that an interrupted move has not moved; undefined if no move to TO was begun.
 * @throws GIVEN_UP if the layer has given bytes up to a child, or to a move to another directory
 */
export function movedBefore({ layer, ...ghost }: PackedGhost, where: string, to: string): bigint | undefined {
  const { moved, given } = layer;
  if (given || (moved && path.resolve(where, moved.path) !== to))
    throw givenUp(
      where,
      `cannot use ghost ${showId(ghost.id)} (${ghost.path}) of ${where}: it`,
      takersOf({ ...ghost, layer }, where),
    );
  return moved && countFromJson(moved.below);
}

/**
 * The name of the target file must be on the disk already.
 * @returns the report of the whole ghost, and how many bytes are free now
 * @throws NO_HOLES before anything is given up; GIVEN_UP, IMAGE_…, CHAIN_…
 */
export async function moveGhost(
  context: Context,
  move: Move,
): Promise<{ report: EngineReport; freedBytes: bigint }> {
  const [first] = move.links as [Link];
  const below = movedBefore(move.ghost, first.where, move.to) ?? 0n;
  const opening = { given: true, writable: true };
  const layers = await openLayers(context, first, move.ghost, new Parents(context), opening);
  try {
    const packed = layers.at.flatMap(({ ghost }, depth) => (isPacked(ghost) ? [depth] : []));
    for (const depth of packed) await assertPunches(context, layers, depth);
    const before = allocatedOf(context, layers, packed);
    if (below > 0n) await checkMoved(context, move, layers, 0n, below);
    const report = await movePieces(context, move, layers, packed, below);
    const after = allocatedOf(context, layers, packed);
    return { report, freedBytes: before > after ? before - after : 0n };
  } finally {
    layers.close();
  }
}

async function movePieces(
  context: Context,
  move: Move,
  layers: OpenLayers,
  packed: readonly number[],
  begun: bigint,
): Promise<EngineReport> {
  const { files, engine } = context.host;
  const { links, ghost, to, toFd, header } = move;
  const moving = whenMoving(context);
  const mostBytes = pieceBytes(ghost);
  for (let first = begun; ; ) {
    const part = { first, mostBytes };
    const { report, next } = await layers.use(levels =>
      engine.unpackPart(levels, toFd, header, part, moving),
    );
    await files.flush(toFd);
    const end = next ?? countFromJson(ghost.size) / unitBytes + 1n;
    // Nothing is given up before the file was read again, and has what was to be written.
    await checkMoved(context, move, layers, first, end);
    first = end;
    // The directory itself comes first: it must not need what its parents have given up.
    for (const depth of packed) noteMoved(context, links, layers, depth, to, first);
    for (const depth of packed) await engine.punch(levelOf(layers, depth), moving);
    for (const depth of packed) await files.flush(levelOf(layers, depth).dataFd);
    if (next === undefined) return report;
  }
}

/**
 * Notes in the manifest, on the disk, that the target has the units below BELOW, the beginning of the ghost.
 */
function noteMoved(
  { host: { files } }: Context,
  links: readonly Link[],
  layers: OpenLayers,
  depth: number,
  to: string,
  below: bigint,
): void {
  const at = layers.at[depth] as OpenLayers['at'][number];
  const link = links.find(({ where }) => where === at.link.where) as Link;
  const moved: MovedLayer = { path: path.relative(link.where, to) || '.', below: countToJson(below) };
  const note = (ghost: ManifestGhost) =>
    isPacked(ghost) && ghost.image === at.ghost.image
      ? { ...ghost, layer: { ...ghost.layer, moved } }
      : ghost;
  link.manifest = { ...link.manifest, ghosts: link.manifest.ghosts.map(note) };
  writeManifest(files, link.images, link.manifest, { durable: true });
  levelOf(layers, depth).givenBelow = below;
}

/**
 * Checks that the target has the units from FROM up to BELOW: the layers have given them up, or are about to.
 */
async function checkMoved(
  context: Context,
  { ghost, to, toFd, header }: Move,
  layers: OpenLayers,
  from: bigint,
  below: bigint,
): Promise<void> {
  const part = { first: below, mostBytes: 1n << 62n, checkFrom: from };
  try {
    await context.host.engine.unpackPart(layers.levels, toFd, header, part, aliveWhenMoving(context));
  } catch (error) {
    if (errnoOf(error) !== 'EBADMSG') throw error;
    throw new GhostkeepError(
      'IMAGE_MISMATCH',
      to,
      `cannot go on moving ghost ${showId(ghost.id)} (${ghost.path}) to ${to}: the file there has other bytes than were moved into it`,
      { cause: error },
    );
  }
}

async function assertPunches(context: Context, layers: OpenLayers, depth: number): Promise<void> {
  const { link } = layers.at[depth] as OpenLayers['at'][number];
  await assertCanPunch(context, levelOf(layers, depth), link.where);
}

/**
 * Checks that holes can be punched. Nothing is freed: without a record the engine only tries it behind the
 * end of the data. @throws NO_HOLES
 */
export async function assertCanPunch(context: Context, level: Level, where: string): Promise<void> {
  const { givenFd, givenBelow, ...alone } = level;
  try {
    await context.host.engine.punch(alone);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EOPNOTSUPP' && errno !== 'ENOTSUP' && errno !== 'ENOSYS') throw error;
    throw new GhostkeepError(
      'NO_HOLES',
      where,
      `cannot free anything in ${where}: its file system cannot punch holes into a file; nothing was given up`,
      { cause: error },
    );
  }
}

const levelOf = (layers: OpenLayers, depth: number) =>
  layers.levels[depth] as Level & { mapFd: number; dataFd: number };

const allocatedOf = ({ host: { files } }: Context, layers: OpenLayers, packed: readonly number[]): bigint =>
  packed.reduce((sum, depth) => sum + files.stat(levelOf(layers, depth).dataFd).allocated, 0n);

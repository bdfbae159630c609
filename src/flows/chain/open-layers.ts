/** Opens the layers of a packed ghost: its own, its parent's, and so on down to the one that needs none. */

import path from 'node:path';
import type { Manifest, ManifestGhost, Parent } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { Level } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson } from '../../base/units.js';
import { givenUp, hasGiven, takersOf } from '../../chain/given.js';
import { findIn, isPacked, mostParents, type PackedGhost } from '../../chain/packed.js';
import { readSealedManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';

export interface OpenLayers {
  levels: Level[];
  /** Where each of the levels is. */
  at: { link: Link; ghost: ManifestGhost }[];
  /**
   * Does WORK with the levels. @throws GIVEN_UP if WORK needs what a layer has given up; the message says who
   * has it
   */
  use<T>(work: (levels: readonly Level[]) => Promise<T>): Promise<T>;
  close(): void;
}

export interface Opening {
  /** Also open a layer that has given something up. Reading what it gave up then throws GIVEN_UP. */
  given?: boolean;
  /** Open the data for writing, to punch holes into it. */
  writable?: boolean;
  /** The same file in the parent, for a layer that names none itself. */
  over?: { link: Link; ghost: ManifestGhost };
}

/** A directory of a chain. */
export interface Link {
  /** The path to open its files by. */
  images: string;
  /** Its real path, for messages and as the start of the path to its parent. */
  where: string;
  manifest: Manifest;
}

/** The parents of a directory, read once for all its ghosts. */
export class Parents {
  readonly #known = new Map<string, Link>();

  constructor(private readonly context: Context) {}

  /**
   * The directory itself and all its parents. @throws CHAIN_MISSING, CHAIN_CHANGED, CHAIN_WRONG
   */
  all(first: Link): Link[] {
    const links = [first];
    for (let link = first; link.manifest.parent; links.push(link)) {
      link = this.above(link);
      assertNoCircle(links, link);
    }
    return links;
  }

  /** The parent of a directory that has one. @throws CHAIN_MISSING, CHAIN_CHANGED */
  above({ where, manifest: { parent } }: Link): Link {
    const action = `cannot use ${where}`;
    if (!parent)
      throw new GhostkeepError(
        'CHAIN_CHANGED',
        where,
        `${action}: its layers need a parent, and it names none`,
      );
    const at = path.resolve(where, parent.path);
    const known = this.#known.get(at);
    const link = known ?? { images: at, where: at, manifest: this.#read(at, action) };
    this.#known.set(at, link);
    assertSameCheckpoint(link, parent, action);
    return link;
  }

  #read(at: string, action: string): Manifest {
    try {
      return readSealedManifest(this.context.host.files, at);
    } catch (error) {
      const code =
        error instanceof GhostkeepError && error.code !== 'MANIFEST_MISSING' ? error.code : undefined;
      throw new GhostkeepError(
        code ?? 'CHAIN_MISSING',
        at,
        `${action}: it needs its parent ${at}: ${reasonOf(error)}`,
        { cause: error },
      );
    }
  }
}

/**
 * LINK, which is to follow LINKS, must not be one of them, and they must not be too many. @throws CHAIN_WRONG
 */
function assertNoCircle(links: readonly Link[], { where }: Link): void {
  const [first] = links;
  const action = `cannot use ${first?.where}`;
  if (links.some(link => link.where === where))
    throw new GhostkeepError('CHAIN_WRONG', where, `${action}: its parents lead back to ${where}`);
  if (links.length > mostParents)
    throw new GhostkeepError('CHAIN_WRONG', where, `${action}: it has more than ${mostParents} parents`);
}

function assertSameCheckpoint({ where, manifest }: Link, { created }: Parent, action: string): void {
  if (manifest.created === created) return;
  throw new GhostkeepError(
    'CHAIN_CHANGED',
    where,
    `${action}: its parent ${where} has another checkpoint by now, of ${manifest.created} and not of ${created}`,
  );
}

/**
 * Opens the layers of GHOST, down to the one that needs no parent. The caller closes them.
 * @throws IMAGE_… for the directory's own layer, CHAIN_… for one of a parent, GIVEN_UP
 */
export async function openLayers(
  context: Context,
  link: Link,
  ghost: ManifestGhost,
  parents: Parents,
  opening: Opening = {},
): Promise<OpenLayers> {
  return opened(context, async (at, add) => {
    const seen: Link[] = [];
    for (let [above, file] = [link, ghost]; ; ) {
      await add(above, file, { given: at.length > 0, ...opening });
      seen.push(above);
      if (at.length === 1 && opening.over) {
        [above, file] = [opening.over.link, opening.over.ghost];
        continue;
      }
      if (!isPacked(file) || !file.layer.parent) return;
      const next = parents.above(above);
      assertNoCircle(seen, next);
      file = fileAbove(next, file, above);
      above = next;
    }
  });
}

/** The layer of a packed ghost alone, without its parents. The caller closes it. */
export async function openOwnLayer(
  context: Context,
  link: Link,
  ghost: PackedGhost,
  opening: Opening = {},
): Promise<OpenLayers> {
  return opened(context, (_, add) => add(link, ghost, opening));
}

type Add = (link: Link, ghost: ManifestGhost, opening: Opening) => Promise<void>;

async function opened(
  context: Context,
  open: (at: OpenLayers['at'], add: Add) => Promise<void>,
): Promise<OpenLayers> {
  const fds: number[] = [];
  const close = () => {
    for (const fd of fds.splice(0)) context.host.files.close(fd);
  };
  const levels: Level[] = [];
  const at: OpenLayers['at'] = [];
  try {
    await open(at, async (link, ghost, opening) => {
      levels.push(await openLevel(context, link, ghost, fds, levels.length === 0, opening));
      at.push({ link, ghost });
    });
    return { levels, at, close, use: work => orGivenUp(at, work(levels)) };
  } catch (error) {
    close();
    throw error;
  }
}

async function orGivenUp<T>(at: OpenLayers['at'], work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) !== 'ENOLINK') throw error;
    const givers = at.filter(({ ghost }) => isPacked(ghost) && hasGiven(ghost));
    const takers = givers.flatMap(({ ghost, link }) => takersOf(ghost as PackedGhost, link.where));
    const [first] = at;
    const of = first
      ? `ghost ${showId(first.ghost.id)} (${first.ghost.path}) of ${first.link.where}`
      : 'a ghost';
    throw givenUp(
      first?.link.where ?? '',
      `${of} needs what ${givers.map(({ link }) => link.where).join(', ')}`,
      takers,
      error,
    );
  }
}

function fileAbove(above: Link, { id, path: name, layer }: PackedGhost, { where }: Link): ManifestGhost {
  const file = layer.parent && findIn(above.manifest.ghosts, layer.parent);
  if (file) return file;
  throw new GhostkeepError(
    'CHAIN_CHANGED',
    above.where,
    `cannot use ghost ${showId(id)} (${name}) in ${where}: its parent ${above.where} has not the same file as ghost ${showId(layer.parent?.id ?? 0)}`,
  );
}

/** @param isOwn the layer is the directory's own, and not a parent's: the two have different errors */
async function openLevel(
  { host: { files, engine } }: Context,
  { images, where }: Link,
  ghost: ManifestGhost,
  fds: number[],
  isOwn: boolean,
  { given: mayHaveGiven = false, writable = false }: Opening,
): Promise<Level> {
  const open = (name: string, forWriting = false) => {
    try {
      const path = `${images}/${name}`;
      const fd = forWriting ? files.openWritable(path) : files.open(path);
      fds.push(fd);
      return fd;
    } catch (error) {
      const isGone = errnoOf(error) === 'ENOENT';
      const code = isGone ? (isOwn ? 'IMAGE_MISSING' : 'CHAIN_MISSING') : 'IO';
      throw translate(error, code, name, `cannot read ${where}/${name}`);
    }
  };
  if (!isPacked(ghost)) return { imageFd: open(ghost.image) };
  const { map, data, name, given, moved } = ghost.layer;
  if (!mayHaveGiven && hasGiven(ghost))
    throw givenUp(
      where,
      `cannot use ghost ${showId(ghost.id)} (${ghost.path}) of ${where}: it`,
      takersOf(ghost, where),
    );
  const units = countFromJson(ghost.size) / unitBytes + 1n;
  const openNamed = async (file: string, wanted: string, mostBytes: bigint) => {
    const fd = open(file);
    // A file that is too long was changed, and reading it could take for ever.
    const isTooLong = files.stat(fd).size > mostBytes;
    const found = isTooLong ? 'longer than it can be' : await engine.layerName(fd);
    if (found === wanted) return fd;
    throw new GhostkeepError(
      isOwn ? 'IMAGE_MISMATCH' : 'CHAIN_CHANGED',
      file,
      `${where}/${file} is damaged: it is ${found}, and the manifest there names ${wanted}`,
    );
  };
  const mapFd = await openNamed(map, name, mapHeadBytes + units * mapRecordBytes);
  const givenFd = given && (await openNamed(given.record, given.name, mapHeadBytes + units * rangeBytes));
  return {
    mapFd,
    dataFd: open(data, writable),
    ...(givenFd === undefined ? {} : { givenFd }),
    ...(moved ? { givenBelow: countFromJson(moved.below) } : {}),
  };
}

/** Source: native/engine/layer/layer-format.h */
const [unitBytes, mapHeadBytes, mapRecordBytes, rangeBytes] = [65536n, 32n, 48n, 24n];

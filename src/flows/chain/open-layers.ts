/** Opens the layers of a packed ghost: its own, its parent's, and so on down to the one that needs none. */

import path from 'node:path';
import type { Manifest, ManifestGhost, Parent } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { Level } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { findIn, isPacked, mostParents, type PackedGhost } from '../../chain/packed.js';
import { readSealedManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';

export interface OpenLayers {
  levels: Level[];
  close(): void;
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

/** Is LINK, which is to come behind LINKS, none of these, and are they not too many? @throws CHAIN_WRONG */
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
 * The caller closes the layers.
 * @throws IMAGE_… for the directory's own layer, CHAIN_… for one of a parent
 */
export async function openLayers(
  context: Context,
  link: Link,
  ghost: ManifestGhost,
  parents: Parents,
): Promise<OpenLayers> {
  const fds: number[] = [];
  const close = () => {
    for (const fd of fds.splice(0)) context.host.files.close(fd);
  };
  try {
    const levels: Level[] = [];
    const seen: Link[] = [];
    for (let [at, file] = [link, ghost]; ; ) {
      levels.push(await openLevel(context, at, file, fds, levels.length === 0));
      seen.push(at);
      if (!isPacked(file) || !file.layer.parent) return { levels, close };
      const above = parents.above(at);
      assertNoCircle(seen, above);
      file = fileAbove(above, file, at);
      at = above;
    }
  } catch (error) {
    close();
    throw error;
  }
}

/** The layer of a packed ghost alone, without its parents. The caller closes it. */
export async function openOwnLayer(context: Context, link: Link, ghost: PackedGhost): Promise<OpenLayers> {
  const fds: number[] = [];
  const close = () => {
    for (const fd of fds.splice(0)) context.host.files.close(fd);
  };
  try {
    return { levels: [await openLevel(context, link, ghost, fds, true)], close };
  } catch (error) {
    close();
    throw error;
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

/** @param isOwn tells a damage of the directory itself from one of a parent */
async function openLevel(
  { host: { files, engine } }: Context,
  { images, where }: Link,
  ghost: ManifestGhost,
  fds: number[],
  isOwn: boolean,
): Promise<Level> {
  const open = (name: string) => {
    try {
      const fd = files.open(`${images}/${name}`);
      fds.push(fd);
      return fd;
    } catch (error) {
      const isGone = errnoOf(error) === 'ENOENT';
      const code = isGone ? (isOwn ? 'IMAGE_MISSING' : 'CHAIN_MISSING') : 'IO';
      throw translate(error, code, name, `cannot read ${where}/${name}`);
    }
  };
  if (!isPacked(ghost)) return { imageFd: open(ghost.image) };
  const { map, data, name } = ghost.layer;
  const mapFd = open(map);
  const found = await engine.layerName(mapFd);
  if (found !== name)
    throw new GhostkeepError(
      isOwn ? 'IMAGE_MISMATCH' : 'CHAIN_CHANGED',
      map,
      `${where}/${map} is damaged: it is ${found}, and the manifest there names ${name}`,
    );
  return { mapFd, dataFd: open(data) };
}

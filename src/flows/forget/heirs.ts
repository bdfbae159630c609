/** The children of a checkpoint that is to go. They take over what they need of that checkpoint. */
import path from 'node:path';
import { GhostkeepError } from '../../base/errors.js';
import { isSymbolicLink } from '../../base/host/file-type.js';
import type { Files } from '../../base/host/host.js';
import { readSealedManifest } from '../../image/manifest.js';
import { childrenBeside, neighbours } from '../chain/beside.js';
import { namedChildren } from '../chain/children.js';
import type { Link } from '../chain/open-layers.js';
import type { Context } from '../context.js';

export interface Named {
  /** Directories that need the checkpoint, each once. */
  needing: string[];
  /** Directories that a forget which was killed may have served already. */
  others: string[];
}

/**
 * The directories that IMAGES lists as its children, and those beside it that name it as their parent: a list
 * may be lost, or may come from a stranger.
 * @param childrenRemoved children that are not there any more were removed, and need nothing
 * @throws HAS_CHILDREN if a child is not there, because its disk may only be unmounted
 */
export function findHeirs({ host: { files } }: Context, images: string, childrenRemoved: boolean): Named {
  const where = files.realPath(images);
  const named = namedChildren(files, images);
  const gone = named.filter(({ state }) => state === 'gone').map(({ directory }) => directory);
  if (gone.length > 0 && !childrenRemoved)
    throw new GhostkeepError(
      'HAS_CHILDREN',
      where,
      `cannot forget ${where}: ${gone.join(', ')} needed it, and is not there; mount it or move it back, or say --children-removed if it was removed`,
    );
  const listed = (wanted: string) =>
    named.filter(({ state }) => state === wanted).map(({ directory }) => files.realPath(directory));
  const beside = childrenBeside(files, where);
  const needing = new Set([...listed('needs'), ...beside]);
  return { needing: [...needing], others: [...new Set(listed('other'))].filter(name => !needing.has(name)) };
}

/** A directory that we own. */
export interface Opened {
  /** The path to open its files by. */
  images: string;
  name: string;
}

/** Reads the manifest of a directory that needs LINK. @throws MANIFEST_… where it cannot be read */
export function readHeir({ host: { files } }: Context, { images, name }: Opened, link: Link): Link {
  const manifest = readSealedManifest(files, images);
  const where = files.realPath(name);
  const looksIn = manifest.parent && path.resolve(where, manifest.parent.path);
  if (looksIn !== undefined && files.realPath(looksIn) === link.where) return { images, where, manifest };
  throw new GhostkeepError(
    'HAS_CHILDREN',
    where,
    `cannot forget ${link.where}: ${where} needs it, and looks for it in ${looksIn ?? 'no directory any more'}; move it back there`,
  );
}

/**
 * CRIU's link `parent` says that memory pages lie in another directory (`--prev-images-dir`). Nobody lists
 * who has such a link, so the directories beside WHERE are looked at.
 * @throws HAS_CHILDREN
 */
export function assertNoMemoryOf({ host: { files } }: Context, where: string): void {
  for (const directory of neighbours(files, where)) {
    const link = `${directory}/parent`;
    if (!isLink(files, link) || files.realPath(link) !== where) continue;
    throw new GhostkeepError(
      'HAS_CHILDREN',
      where,
      `cannot forget ${where}: ${link} leads to it, so CRIU has memory of that checkpoint in it; forget that one first`,
    );
  }
}

function isLink(files: Files, path: string): boolean {
  try {
    return isSymbolicLink(files.statPath(path).mode);
  } catch {
    return false;
  }
}

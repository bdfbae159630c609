/**
 * `ghostkeep checkpoint` copies when CRIU has ended, and the container may have ended by then: nothing leads
 * to its bases any more, and whoever makes the next round removes them. So they come into the image directory
 * before, with their names. The gate, which may be installed as well, finds them there, too.
 */
import { errnoOf, reasonOf } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { baseName } from '../../image/layout.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';
import { holdBase, moveBase, prepareFolder } from './base-file.js';
import { foldersOfBases } from './base-records.js';
import { leaveWatcher } from './watch-room.js';

export interface WantedBase {
  /** The directory that it lies in. */
  from: string;
  name: string;
  /** Bytes that it takes: the image that it becomes needs them no more. */
  bytes: bigint;
}

/** The bases of GHOSTS for a dump of PIDS into IMAGES. Nothing is locked or changed. */
export function findWanted(
  context: Context,
  images: string,
  pids: readonly number[],
  ghosts: readonly FileStat[],
): WantedBase[] {
  const { files } = context.host;
  const folders = [images, ...foldersOfBases(context, images, pids)].filter(one => isOwnFolder(context, one));
  return ghosts.flatMap(ghost => {
    const name = baseName(ghost);
    const from = folders.find(one => files.exists(`${one}/${name}`));
    if (from === undefined) return [];
    const { allocated } = files.statPath(`${from}/${name}`);
    return [{ from, name, bytes: lesser(allocated, ghost.allocated) }];
  });
}

const lesser = (a: bigint, b: bigint) => (a < b ? a : b);

/**
 * Moves WANTED into IMAGES, where the working folder is. The caller owns IMAGES.
 * @returns gives back what was moved; the caller owns IMAGES again
 */
export function gatherBases(context: Context, images: string, wanted: readonly WantedBase[]): () => void {
  const moved = wanted.filter(({ from, name }) => from !== images && move(context, from, images, name));
  return () => {
    for (const { from, name } of moved) {
      prepareFolder(context, from);
      if (move(context, images, from, name)) leaveWatcher(context, from);
    }
  };
}

/** A base that cannot be moved is of no use for this dump, which succeeds without it. */
function move(context: Context, from: string, to: string, name: string): boolean {
  const base = holdBase(context, from, name);
  if (!base) return false;
  try {
    moveBase(context, base, `${to}/${name}`);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    context.log.info(`the base ${base.path} does not come to ${to}: ${reasonOf(error)}`);
    return false;
  } finally {
    context.host.files.close(base.fd);
  }
}

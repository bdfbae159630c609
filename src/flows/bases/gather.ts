/**
 * `ghostkeep checkpoint` copies ghosts after CRIU has ended. The container may have ended by then, so that no
 * record leads to its bases any more, and whoever makes the next round removes them. So the bases are moved
 * into the image directory before CRIU runs, and keep their names. The gate, which may be installed as well,
 * finds them there, too.
 */
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { baseName, folder } from '../../image/layout.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';
import { holdBase, moveBase, removeBase } from './base-file.js';
import { foldersOfBases } from './base-records.js';
import { intoOldPlace } from './old-place.js';
import { leaveWatcher } from './watch-room.js';

export interface Gathered {
  /** The names of the bases that are in IMAGES now, and the bytes that each of them takes there. */
  bases: ReadonlyMap<string, bigint>;
  /** Moves back the bases that came from another directory. The caller must own IMAGES again. */
  giveBack(): void;
}

export const nothingGathered: Gathered = { bases: new Map(), giveBack: () => {} };

/**
 * Moves the bases of GHOSTS into IMAGES, for a dump of PIDS. The caller owns IMAGES. If a base cannot be
 * moved, the dump succeeds without it.
 * @param request.reserve bytes of the policy that also stay free if we are killed, or when bases go back
 */
export function gatherBases(
  context: Context,
  request: { images: string; pids: readonly number[]; reserve: bigint },
  ghosts: readonly FileStat[],
): Gathered {
  const { files } = context.host;
  const { images, pids, reserve } = request;
  const folders = [images, ...foldersOfBases(context, images, pids)].filter(one => isOwnFolder(context, one));
  // A link with this name, or the folder of somebody else, is removed when the directory is cleared.
  const exists = files.exists(`${images}/${folder}`);
  if (folders.length === 0 || (exists && !isOwnFolder(context, images))) return nothingGathered;
  const found = ghosts.flatMap(ghost => {
    const from = folders.find(one => files.exists(`${one}/${baseName(ghost)}`));
    return from === undefined ? [] : [{ ghost, from }];
  });
  if (found.length === 0 || !isWatched(context, images, reserve)) return nothingGathered;
  if (!exists) files.makeDirectory(`${images}/${folder}`);
  const bases = new Map<string, bigint>();
  /** The names of the moved bases, by the directory that they came from. */
  const moved = new Map<string, string[]>();
  for (const { ghost, from } of found) {
    const name = baseName(ghost);
    const allocated = move(context, from, images, name);
    if (allocated === undefined) continue;
    bases.set(name, allocated);
    if (from !== images) moved.set(from, [...(moved.get(from) ?? []), name]);
  }
  return { bases, giveBack: () => moveBack(context, request, moved) };
}

/**
 * Starts the watcher before the first base is moved, because we may be killed at any moment.
 * @returns false if the watcher cannot be started
 */
function isWatched(context: Context, images: string, reserve: bigint): boolean {
  try {
    leaveWatcher(context, images, reserve);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    context.log.info(`bases do not come to ${images}: nobody would watch their room: ${reasonOf(error)}`);
    return false;
  }
}

/**
 * Moves a base. If FROM is TO, the base stays where it is.
 * @returns bytes that the base takes; undefined if it cannot be moved
 */
function move(context: Context, from: string, to: string, name: string): bigint | undefined {
  const base = holdBase(context, from, name);
  if (!base) return undefined;
  try {
    if (from !== to) moveBase(context, base, `${to}/${name}`);
    return base.stat.allocated;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    context.log.info(`the base ${base.path} does not come to ${to}: ${reasonOf(error)}`);
    return undefined;
  } finally {
    context.host.files.close(base.fd);
  }
}

/**
 * Moves bases back to where they came from. A base that cannot go back, or that nobody would watch there, is
 * removed.
 */
function moveBack(
  context: Context,
  { images, reserve }: { images: string; reserve: bigint },
  moved: ReadonlyMap<string, readonly string[]>,
): void {
  for (const [from, names] of moved) {
    try {
      leaveWatcher(context, from, reserve);
      intoOldPlace(context, from, () => {
        for (const name of names) move(context, images, from, name);
      });
    } catch (error) {
      if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
      context.log.info(`the bases of ${from} are removed: ${reasonOf(error)}`);
    }
    for (const name of names) remove(context, images, name);
  }
  context.host.files.removeEmpty(`${images}/${folder}`);
}

function remove(context: Context, images: string, name: string): void {
  const base = holdBase(context, images, name);
  if (base) removeBase(context, base);
}

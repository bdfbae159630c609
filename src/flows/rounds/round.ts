/**
 * One round: ghosts are copied while their processes run. A round leaves bases, which the next round or a
 * dump takes over and compares in full. So a round need not know anything of an earlier one, and a base may
 * be torn.
 */

import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { counted } from '../../base/text/counted.js';
import type { Ghost } from '../../ghost/ghost.js';
import { baseName, roughName } from '../../image/layout.js';
import { holdBase, makeBase, moveBase, prepareFolder, removeBase } from '../bases/base-file.js';
import { foldersOfBases, writeBaseRecord } from '../bases/base-records.js';
import { removeBases, removeStale } from '../bases/leftover-bases.js';
import { leastFree, leaveWatcher } from '../bases/watch-room.js';
import { type PinnedGhost, pinSome, unpinGhosts } from '../choose/pin.js';
import { type Context, whenMoving } from '../context.js';
import { asOwner } from '../directory/owner.js';
import type { DumpRequest } from '../dump/journal.js';
import { watchServers } from '../dump/watch-servers.js';
import { searchGhosts, stepInParallel } from '../steps.js';
import { ghostsForRound, isLarge, whyForbidden, willShare, worthBytes } from './copy-running.js';
import { fillBases } from './fill-bases.js';
import { whyNoRoom } from './room.js';
import { attempt, ghostsOf, giveUp, type RoundGhost, type Unfinished, type Work } from './work.js';

export type { RoundGhost, Unfinished };

/** How long to wait for the directory: another round or a checkpoint there may be about to end. */
const waitMs = 5000;

export interface Round {
  ghosts: RoundGhost[];
  /** How long copying and comparing took, without the search and without waiting for the disk. */
  ms: number;
  /** True if each base was written over an earlier one, so that `ms` is the time for comparing. */
  compared: boolean;
}

/**
 * Copies the large ghosts of PIDS into bases in IMAGES, over the bases that are there. A ghost that fails is
 * passed over, and the dump copies it.
 * @param request.images the directory's real path, because the record of the bases keeps it
 * @param onBegin is given a list that shows at any time what the round works on
 * @throws BAD_INPUT, PERMISSION, IN_USE if IMAGES cannot take bases
 */
export async function runRound(
  context: Context,
  request: DumpRequest,
  onBegin?: (works: readonly Unfinished[]) => void,
): Promise<Round> {
  const { host } = context;
  const { processes } = host;
  const found = searchGhosts(context, request.pids, { named: true });
  const ghosts = ghostsForRound(found, request.policy);
  const { watched, watch } = watchServers(context, ghosts, request.images);
  const pinned = pinSome(processes, ghosts.filter(isLarge));
  try {
    const works = pinned.map(one => begin(watched, request, one));
    onBegin?.(works);
    await stepInParallel(watched, 'writing back', works, one => writeBack(watched, one));
    await asOwner(watched, request.images, owned => prepare(watched, request, owned, works), owner);
    const ms = await fillBases(watched, request, works);
    await name(watched, request, works);
    const seen = new Map(works.map(one => [one.ghost, toResult(one)]));
    return {
      ghosts: ghosts.map(ghost => seen.get(ghost) ?? passedOver(ghost)),
      ms,
      compared: works.every(({ done, over }) => over || done !== 'base'),
    };
  } finally {
    unpinGhosts(processes, pinned);
    watch?.stop();
  }
}

/**
 * How the round becomes the owner of the directory. It is the owner only while it makes and renames files,
 * because a round that hangs while it copies must keep no checkpoint from the directory.
 */
const owner = { begins: true, waitMs };

const isOfGhost = ({ ghost }: Work) => ghost.class !== 'named';

export function passedOver(ghost: Ghost): RoundGhost {
  const why = isLarge(ghost)
    ? 'it cannot be opened'
    : `less than ${worthBytes >> 20n} MiB are allocated, which is copied in a millisecond or two`;
  return { ghost, done: 'nothing', bytes: 0n, differed: 0n, why };
}

const toResult = ({ ghost, done, bytes, differed, why }: Work): RoundGhost => ({
  ghost,
  done,
  bytes,
  differed,
  ...(why === undefined ? {} : { why }),
});

function begin(context: Context, request: DumpRequest, pinned: PinnedGhost): Work {
  const work: Work = { ghost: pinned.ghost, pinned, done: 'nothing', bytes: 0n, differed: 0n, over: false };
  attempt(work, () => {
    if (willShare(context, request, pinned)) work.done = 'written-back';
  });
  return work;
}

async function writeBack(context: Context, work: Work): Promise<void> {
  if (work.done !== 'written-back') return;
  const { fd, stat } = work.pinned;
  try {
    await context.host.engine.writeBack(fd, stat.size, whenMoving(context));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    Object.assign(work, { done: 'nothing', why: reasonOf(error) });
  }
}

/** Takes over the earlier bases of the ghosts, or makes files for new ones. */
function prepare(context: Context, request: DumpRequest, owned: string, works: readonly Work[]): void {
  const { images, policy, pids, container } = request;
  prepareFolder(context, owned);
  const earlier = foldersOfBases(context, images, pids).filter(one => one !== images);
  writeBaseRecord(context, images, pids, container);
  removeStale(context, images, pids, new Set(works.map(({ pinned: { stat } }) => baseName(stat))));
  const copied = works.filter(({ done, why }) => done === 'nothing' && why === undefined);
  if (copied.length === 0 || !isWatched(context, request, copied)) return;
  for (const one of copied) takeOver(context, images, earlier, one);
  const anew = copied.filter(({ base }) => !base);
  const forbidden = whyForbidden(ghostsOf(works), policy);
  // The ghosts get the room before the named files: some dumps may lack named files, and none may lack a
  // ghost.
  const whyNot = (some: readonly Work[]) =>
    forbidden ?? whyNoRoom(context, images, policy, ghostsOf(some), leastFree);
  for (const one of anew) {
    const why = whyNot(isOfGhost(one) ? anew.filter(isOfGhost) : anew);
    if (why === undefined) attempt(one, () => create(context, images, one));
    else one.why = why;
  }
}

/**
 * Starts the process that watches the room, before there is a base: the round may be killed at any moment.
 * @returns false if that fails; then no base is made, and those in the directory are removed
 */
function isWatched(context: Context, { images, policy }: DumpRequest, works: readonly Work[]): boolean {
  try {
    leaveWatcher(context, images, policy.reserve);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    for (const one of works) one.why = `nobody would watch the room that its base takes: ${reasonOf(error)}`;
    removeBases(context, images);
    return false;
  }
}

/**
 * Takes over the base of an earlier round, which may lie in another directory. While this round writes to it,
 * it has another name, so nobody takes it for a base.
 */
function takeOver(context: Context, images: string, earlier: readonly string[], work: Work): void {
  const { stat } = work.pinned;
  for (const one of [images, ...earlier]) {
    const base = holdBase(context, one, baseName(stat));
    if (!base) continue;
    try {
      dropRough(context, images, work);
      moveBase(context, base, `${images}/${roughName(stat)}`);
      Object.assign(work, { base, over: true });
      return;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      context.log.info(
        `the base ${base.path} is removed, because it cannot come to ${images}: ${reasonOf(error)}`,
      );
      removeBase(context, base);
    }
  }
}

function create(context: Context, images: string, work: Work): void {
  const { stat } = work.pinned;
  if (context.host.files.exists(`${images}/${baseName(stat)}`)) {
    work.why = 'another round is at work on its base, or it is no file of ours';
    return;
  }
  dropRough(context, images, work);
  const base = makeBase(context, images, roughName(stat));
  if (base) work.base = base;
  else work.why = 'its base cannot be locked';
}

/**
 * Removes the unfinished file of a round that was killed: nobody knows whether the disk has taken its
 * content.
 */
function dropRough(context: Context, images: string, { pinned: { stat } }: Work): void {
  const old = holdBase(context, images, roughName(stat));
  if (old) removeBase(context, old);
}

/**
 * Gives the finished files the names of bases. A checkpoint may have been made in the directory meanwhile.
 * Then it cannot take bases, and they are removed.
 */
async function name(context: Context, { images }: DumpRequest, works: readonly Work[]): Promise<void> {
  const made = works.filter(({ base }) => base);
  if (made.length === 0) return;
  const work = (owned: string) => {
    prepareFolder(context, owned);
    for (const one of made) giveName(context, images, one);
  };
  try {
    await asOwner(context, images, work, owner);
  } catch (error) {
    for (const one of made) giveUp(context, one, reasonOf(error));
    if (!(error instanceof GhostkeepError)) throw error;
    context.log.warn(`${counted(made.length, 'base is', 'bases are')} removed: ${reasonOf(error)}`);
  }
}

function giveName(context: Context, images: string, work: Work): void {
  const { base, pinned } = work;
  if (!base) return;
  try {
    moveBase(context, base, `${images}/${baseName(pinned.stat)}`);
    delete work.base;
    context.host.files.close(base.fd);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    giveUp(context, work, reasonOf(error));
  }
}

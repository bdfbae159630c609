/**
 * One round: ghosts are copied while their processes run. Its product are bases, which the next round or a
 * dump takes over and compares in full. So a round needs no knowledge of an earlier one, and a base may be
 * torn.
 */
import { availableParallelism } from 'node:os';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { inParallel } from '../../base/parallel.js';
import { findGhosts } from '../../ghost/find/find.js';
import type { Ghost } from '../../ghost/ghost.js';
import { baseName } from '../../image/layout.js';
import {
  type HeldBase,
  holdBase,
  makeBase,
  moveBase,
  prepareFolder,
  removeBase,
} from '../bases/base-file.js';
import { foldersOfBases, writeBaseRecord } from '../bases/base-records.js';
import { removeStale } from '../bases/leftover-bases.js';
import { type PinnedGhost, pinSome, unpinGhosts } from '../choose/pin.js';
import { type Context, whenMoving } from '../context.js';
import { asOwner } from '../directory/owner.js';
import type { DumpRequest } from '../dump/journal.js';
import { watchServers } from '../dump/watch-servers.js';
import {
  copyRunning,
  isLarge,
  whyForbidden,
  whyNoRoom,
  whyTooFull,
  willShare,
  worthBytes,
} from './copy-running.js';

/** Another round, or a checkpoint, may be about to end. */
const waitMs = 5000;

/** The work of a round on one ghost. */
export interface RoundGhost {
  ghost: Ghost;
  done: 'base' | 'written-back' | 'nothing';
  bytes: bigint;
  differed: bigint;
  why?: string;
}

export interface Round {
  ghosts: RoundGhost[];
  /** How long copying and comparing took, without the search and without waiting for the disk. */
  ms: number;
  /** True if there was a base of every ghost before. */
  compared: boolean;
}

/** A ghost with its base, while the round works on it. */
interface Work extends RoundGhost {
  pinned: PinnedGhost;
  base?: HeldBase;
  /** The base holds an earlier image. */
  over: boolean;
}

/**
 * Copies the large ghosts of PIDS into bases in IMAGES, or over the bases that are there. One that fails is
 * passed over, and the dump copies it.
 * @param request.images the directory's own path: the record keeps it
 * @throws BAD_INPUT, PERMISSION, IN_USE if IMAGES cannot take bases
 */
export async function runRound(context: Context, request: DumpRequest): Promise<Round> {
  const { processes } = context.host;
  const ghosts = findGhosts(processes, request.pids, context.alive).ghosts.filter(isOurs);
  const { watched, watch } = watchServers(context, ghosts, request.images);
  const pinned = pinSome(processes, ghosts.filter(isLarge));
  try {
    const works = await prepare(watched, request, pinned);
    const start = context.host.clock();
    await inParallel(works, availableParallelism(), work => copy(watched, request, work));
    const ms = Math.round(context.host.clock() - start);
    leaveRoom(watched, request, works);
    await inParallel(works, availableParallelism(), work => settle(watched, work));
    const seen = new Map(works.map(work => [work.ghost, toResult(work)]));
    return {
      ghosts: ghosts.map(ghost => seen.get(ghost) ?? passedOver(ghost)),
      ms,
      compared: works.every(({ over }) => over),
    };
  } finally {
    unpinGhosts(processes, pinned);
    watch?.stop();
  }
}

const isOurs = (ghost: Ghost) => ghost.keep === 'ghostkeep' && ghost.class !== 'linked';

function passedOver(ghost: Ghost): RoundGhost {
  const why = isLarge(ghost)
    ? 'it cannot be opened'
    : `it is below ${worthBytes >> 20n} MiB, and copied as fast`;
  return { ghost, done: 'nothing', bytes: 0n, differed: 0n, why };
}

const toResult = ({ ghost, done, bytes, differed, why }: Work): RoundGhost => ({
  ghost,
  done,
  bytes,
  differed,
  ...(why === undefined ? {} : { why }),
});

/**
 * Takes over or makes the bases. Only then are we the owner of IMAGES: a round that hangs while it copies
 * must not keep a checkpoint from the directory.
 */
async function prepare(
  context: Context,
  request: DumpRequest,
  pinned: readonly PinnedGhost[],
): Promise<Work[]> {
  const { images, policy, pids, container } = request;
  const works = pinned.map(
    (pin): Work => ({ ghost: pin.ghost, pinned: pin, done: 'nothing', bytes: 0n, differed: 0n, over: false }),
  );
  const work = (owned: string) => {
    prepareFolder(context, owned);
    const earlier = foldersOfBases(context, pids).filter(one => one !== images);
    writeBaseRecord(context, images, pids, container);
    const copied = works.filter(one => !isShared(context, request, one));
    for (const one of copied) takeOver(context, images, earlier, one);
    const anew = copied.filter(({ base }) => !base);
    const why =
      whyForbidden(
        works.map(({ ghost }) => ghost),
        policy,
      ) ??
      whyNoRoom(
        context,
        images,
        policy,
        anew.map(({ ghost }) => ghost),
      );
    for (const one of anew) {
      if (why === undefined) attempt(one, () => create(context, images, one));
      else one.why = why;
    }
    removeStale(context, images, pids, new Set(works.map(({ pinned: { stat } }) => baseName(stat))));
  };
  await asOwner(context, images, work, { begins: true, waitMs });
  return works;
}

function isShared(context: Context, request: DumpRequest, work: Work): boolean {
  try {
    if (willShare(context, request, work.pinned)) work.done = 'written-back';
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    work.why = reasonOf(error);
  }
  return work.done === 'written-back';
}

/** An earlier round may have put the base elsewhere. */
function takeOver(context: Context, images: string, earlier: readonly string[], work: Work): void {
  const name = baseName(work.pinned.stat);
  for (const one of [images, ...earlier]) {
    const base = holdBase(context, one, name);
    if (!base) continue;
    try {
      if (one !== images) moveBase(context, base, `${images}/${name}`);
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
  const base = makeBase(context, images, baseName(work.pinned.stat));
  if (base) work.base = base;
  else work.why = 'its base cannot be locked';
}

async function copy(context: Context, request: DumpRequest, work: Work): Promise<void> {
  const { host } = context;
  const { pinned, base, over } = work;
  try {
    if (work.done === 'written-back')
      await host.engine.writeBack(pinned.fd, pinned.stat.size, whenMoving(context));
    if (!base) return;
    const { bytes, differed, shared } = await copyRunning(context, request, pinned, base.fd, over);
    Object.assign(work, { bytes, differed });
    if (shared) giveUp(context, work, 'its blocks can be shared, so that the freeze copies none');
    else work.done = 'base';
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    // The ghost has become shorter meanwhile. The base is worth comparing all the same.
    if (base && errnoOf(error) === 'ESTALE') Object.assign(work, { done: 'base', why: reasonOf(error) });
    else giveUp(context, work, reasonOf(error));
  }
}

/** The container may have filled its disk meanwhile, or since the last round. */
function leaveRoom(context: Context, { images, policy }: DumpRequest, works: readonly Work[]): void {
  const withBase = works.filter(({ base }) => base);
  const ghosts = withBase.map(({ ghost }) => ghost);
  const why = whyTooFull(context, images, policy, ghosts);
  if (why !== undefined) for (const work of withBase) giveUp(context, work, why);
}

/**
 * Waits for the disk. A write-back that has failed is reported once, and the page cache would compare equal
 * all the same, so such a base goes.
 */
async function settle(context: Context, work: Work): Promise<void> {
  const { files } = context.host;
  const { base } = work;
  if (!base) return;
  try {
    await files.flush(base.fd);
    context.alive?.();
    files.close(base.fd);
    delete work.base;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    giveUp(context, work, `its disk has not taken the base: ${reasonOf(error)}`);
  }
}

function giveUp(context: Context, work: Work, why: string): void {
  const { base } = work;
  delete work.base;
  Object.assign(work, { done: 'nothing', why });
  if (base) removeBase(context, base);
}

function attempt(work: Work, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    work.why = reasonOf(error);
  }
}

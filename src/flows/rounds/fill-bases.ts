/**
 * Writes the bases of a round, and waits until the disk has them. The container may fill that disk meanwhile.
 */
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { leastFree } from '../bases/watch-room.js';
import type { Context } from '../context.js';
import type { DumpRequest } from '../dump/journal.js';
import { stepInParallel } from '../steps.js';
import { copyRunning } from './copy-running.js';
import { whyTooFull } from './room.js';
import { ghostsOf, giveUp, type Work } from './work.js';

/** How often we look at the room while we wait for the disk. */
const lookEveryMs = 10;

/** @returns how long copying took, in milliseconds */
export async function fillBases(
  context: Context,
  request: DumpRequest,
  works: readonly Work[],
): Promise<number> {
  const { host } = context;
  const look = () => leaveRoom(context, request, works);
  const start = host.clock();
  await stepInParallel(context, 'copying', works, one => copy(context, request, one, look));
  const ms = Math.round(host.clock() - start);
  look();
  const looking = setInterval(look, lookEveryMs);
  try {
    await stepInParallel(context, 'waiting for the disk', works, one => settle(context, one), {
      moves: false,
    });
  } finally {
    clearInterval(looking);
  }
  return ms;
}

async function copy(context: Context, request: DumpRequest, work: Work, look: () => void): Promise<void> {
  const { pinned, base, over } = work;
  if (!base) return;
  const isOver = () => {
    look();
    return work.tooFull !== undefined;
  };
  work.busy = 'copying';
  try {
    const running = copyRunning(context, request, pinned, base.fd, over, isOver);
    const { bytes, differed, shared } = await running;
    delete work.busy;
    Object.assign(work, { bytes, differed });
    if (shared) giveUp(context, work, 'its blocks can be shared, so that the freeze copies none');
    else work.done = 'base';
  } catch (error) {
    delete work.busy;
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    // The ghost has become shorter meanwhile. Its base is still worth comparing with it.
    if (errnoOf(error) === 'ESTALE') Object.assign(work, { done: 'base', why: reasonOf(error) });
    else giveUp(context, work, work.tooFull ?? reasonOf(error));
  }
}

/**
 * Gives up all bases if the container has filled its disk meanwhile, or since the last round. A timer calls
 * this, where an errno error would end the process, so no such error is thrown.
 */
function leaveRoom(context: Context, { images, policy }: DumpRequest, works: readonly Work[]): void {
  const withBase = works.filter(({ base }) => base);
  const why = whyLeave();
  if (why === undefined) return;
  for (const work of withBase) {
    work.tooFull = why;
    // If a base cannot be emptied or removed, it keeps a name that nobody uses, and the next round removes
    // it.
    try {
      // While fsync(2) works on a base, which may take long, it cannot be closed. Emptying it gives its room
      // back at once.
      if (work.busy === 'settling' && work.base) context.host.files.empty(work.base.fd);
      if (!work.busy) giveUp(context, work, why);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      context.log.info(`a base stays in ${images}: ${reasonOf(error)}`);
    }
  }

  function whyLeave(): string | undefined {
    try {
      return whyTooFull(context, images, policy, ghostsOf(withBase), leastFree);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return `nobody can say how much room is free: ${reasonOf(error)}`;
    }
  }
}

/**
 * Waits until the disk has the base. A failed write-back is reported only once, and afterwards the page cache
 * would still compare equal, so a base whose write-back has failed is removed.
 */
async function settle(context: Context, work: Work): Promise<void> {
  if (!work.base) return;
  work.busy = 'settling';
  try {
    await context.host.files.flush(work.base.fd);
    context.alive?.();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    work.tooFull ??= `its disk has not taken the base: ${reasonOf(error)}`;
  }
  delete work.busy;
  if (work.tooFull !== undefined) giveUp(context, work, work.tooFull);
}

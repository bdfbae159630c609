/**
 * The warm pass: what is large, or many, is copied while the container still runs, so that little is left to
 * do when it stands still.
 *
 * Nothing of it is believed. When all is frozen the ghosts are found anew, and a dump over a warm image
 * compares every byte with what is there and writes what differs (GK_DUMP_OVER): a time stamp is no proof,
 * because a store into a mapping need not change one. Where large ranges will be reflinked the freeze copies
 * nothing anyway: then only dirty pages, for which that would have to wait, are written to disk now (decision
 * 0010).
 */

import { availableParallelism } from 'node:os';
import { inParallel } from '../../base/parallel.js';
import { findGhosts } from '../../ghost/find/find.js';
import { type Ghost, showGhost } from '../../ghost/ghost.js';
import { isOverLimit, needsCopy } from '../choose/choose.js';
import { pinSome, unpinGhosts } from '../choose/pin.js';
import type { Context } from '../context.js';
import { isSmallFile } from '../dump/copy-batch.js';
import type { DumpRequest } from '../dump/journal.js';
import { WarmImages } from '../dump/warm-images.js';
import { WarmCopies } from './warm-copies.js';

/** Allocated. Below, a copy takes a millisecond or two, and its comparison not much less. */
const worthBytes = 4n << 20n;

/** Small ones: fewer are made, written and described in a millisecond or two. */
const worthMany = 32;

/**
 * Copy what is large of the ghosts of PIDS, and what is many. Whatever goes wrong is left to the dump, which
 * will say so.
 */
export async function warmUp(context: Context, request: DumpRequest): Promise<WarmImages> {
  const { host, log } = context;
  const warm = new WarmImages(host.files, request.images, log);
  const { ghosts } = findGhosts(host.processes, request.pids, context.alive);
  const kept = ghosts.filter(({ keep }) => keep === 'ghostkeep');
  tryPins(context, kept.filter(needsCopy));
  const forbidden = kept.find(ghost => isOverLimit(ghost, request.policy));
  if (forbidden) {
    // It may be gone by the freeze, so that this is for the dump to refuse. Copies of the others would only
    // take room meanwhile.
    log.info(`nothing is copied before the freeze: ${showGhost(forbidden)} is over the policy's limit`);
    return warm;
  }
  const ours = kept.filter(ghost => ghost.class !== 'linked');
  const large = ours.filter(isLarge);
  const small = ours.filter(ghost => isSmallFile(ghost.stat) && !isLarge(ghost));
  const many = small.length >= worthMany ? small : [];
  if (large.length + many.length === 0) return warm;
  const pass = new WarmCopies(context, request, warm);
  try {
    // Small ones first: they come and go.
    if (many.length > 0 && pass.mayCopy(many)) pass.copyMany(many);
    const mayCopy = large.length > 0 && pass.mayCopy(large);
    await inParallel(large, availableParallelism(), ghost => pass.copy(ghost, mayCopy));
  } catch (error) {
    warm.discard();
    throw error;
  }
  log.info(
    `before the freeze: ${warm.count} of ${large.length + many.length} large or many ghosts copied, ${pass.written} written to disk`,
  );
  return warm;
}

/**
 * A table of descriptors grows by doubling, and each time a process of several threads waits for all
 * processors (expand_files() in fs/file.c, synchronize_rcu()): 5 ms that nobody has when all stands still. It
 * never shrinks.
 */
function tryPins({ host: { processes } }: Context, ghosts: readonly Ghost[]): void {
  unpinGhosts(processes, pinSome(processes, ghosts));
}

function isLarge({ stat }: Ghost): boolean {
  return stat.allocated >= worthBytes;
}

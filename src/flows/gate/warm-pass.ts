/**
 * The warm pass: ghosts are searched and copied while the container still runs, so that little is left to do
 * while it is frozen. Those of a middle size are left to the dump (decision 0010).
 *
 * The dump trusts none of these copies. When the container is frozen the ghosts are searched anew, and a dump
 * over a warm image compares or writes every byte of it (GK_DUMP_OVER): a time stamp proves nothing, because
 * a store into a mapping need not change it. If large ranges will be reflinked,
 * the dump copies nothing anyway; then the warm pass only writes dirty pages to disk, because reflinking
 * would wait for them (decision 0010). A ghost that has changed while it was copied is copied again, as long
 * as less differs each time. A base that a round has left (decision 0016) is taken over. If it is newer than
 * its ghost, and no process can write to the ghost through a mapping, nothing is copied.
 */

import { availableParallelism } from 'node:os';
import { collectNow } from '../../base/memory.js';
import { inParallel } from '../../base/parallel.js';
import { counted } from '../../base/text/counted.js';
import type { Ghost } from '../../ghost/ghost.js';
import { needsCopy } from '../choose/choose.js';
import { pinSome, unpinGhosts } from '../choose/pin.js';
import type { Context } from '../context.js';
import { isSmallFile } from '../dump/copy-batch.js';
import type { DumpRequest } from '../dump/journal.js';
import type { WarmImages } from '../dump/warm-images.js';
import { SearchedBefore } from '../prepared/search-again.js';
import { isLarge, whyForbidden, worthNamed } from '../rounds/copy-running.js';
import { beginSearch, dataAtMost } from '../steps.js';
import { prepare } from './ahead/prepare.js';
import { manyGhosts, WarmCopies } from './warm-copies.js';

/**
 * Copies the large and the small ghosts of PIDS, and large named files, and prepares the dump. A ghost that
 * fails is left to the dump, which reports it.
 */
export async function warmUp(context: Context, request: DumpRequest & { warm: WarmImages }): Promise<void> {
  const { log } = context;
  const { warm } = request;
  const { pids } = request;
  const searched = new SearchedBefore(context.host.processes, pids, new Map(), beginSearch(context, pids));
  const { found, canRepeat } = searched;
  const kept = found.ghosts.filter(({ keep }) => keep === 'ghostkeep');
  tryPins(context, kept.filter(needsCopy));
  const forbidden = whyForbidden(kept, request.policy);
  if (forbidden !== undefined) {
    // The forbidden ghost may be gone by the freeze, so the dump has to decide. Copies of the others would
    // only take room meanwhile.
    log.info(`nothing is copied before the freeze: ${forbidden}`);
    return;
  }
  const ours = kept.filter(ghost => ghost.class !== 'linked');
  const large = ours.filter(isLarge);
  const small = ours.filter(ghost => isSmallFile(ghost.stat) && !isLarge(ghost));
  const named = worthNamed(found.named, request.policy);
  if (large.length + small.length + named.length > 0)
    await copyBefore(context, request, { large, small, named });
  if (kept.length === 0 || !canRepeat) return;
  warm.prepared = prepare(context, request);
  if (small.length >= manyGhosts) collectNow();
}

/** Ghosts and named files that are copied before the freeze. */
interface Wanted {
  large: readonly Ghost[];
  small: readonly Ghost[];
  named: readonly Ghost[];
}

async function copyBefore(
  context: Context,
  request: DumpRequest & { warm: WarmImages },
  { large, small, named }: Wanted,
): Promise<void> {
  const { warm } = request;
  const all = [...large, ...small, ...named];
  context.progress?.begin({
    what: 'copying before the freeze',
    item: 'file',
    items: all.length,
    bytes: () => dataAtMost(all),
  });
  const pass = new WarmCopies(context, request, warm);
  try {
    if (!pass.ownsFolder()) return;
    // Small ghosts come first, because they come and go.
    if (small.length > 0 && pass.hasRoom(small)) pass.copyMany(small);
    const hasRoom = large.length > 0 && pass.hasRoom(large);
    const copy = (hasRoom: boolean) => async (ghost: (typeof all)[number]) => {
      await pass.copy(ghost, hasRoom);
      context.progress?.did();
    };
    await inParallel(large, availableParallelism(), copy(hasRoom));
    // Named files come last, because some dumps may lack them.
    const hasMore = named.length > 0 && pass.hasRoom(named);
    await inParallel(named, availableParallelism(), copy(hasMore));
    await pass.again();
  } catch (error) {
    warm.giveBack();
    throw error;
  }
  const others = [
    pass.fresh > 0 ? `; ${pass.fresh} by a pre-dump already` : '',
    pass.written > 0 ? `; ${pass.written} flushed to disk, to be shared while frozen` : '',
  ];
  context.log.info(
    `before the freeze: ${warm.count} of ${counted(all.length, 'file')} copied in ${counted(pass.rounds, 'round')}${others.join('')}`,
  );
}

/**
 * Grows our table of descriptors before the freeze. The table grows by doubling, and each time a process of
 * several threads waits for all processors (expand_files() in fs/file.c, synchronize_rcu()): 5 ms, which must
 * not fall into the time in which the container is frozen. The table never shrinks.
 */
function tryPins({ host: { processes } }: Context, ghosts: readonly Ghost[]): void {
  unpinGhosts(processes, pinSome(processes, ghosts));
}

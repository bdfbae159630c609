/**
 * The warm pass: ghosts that are large, or many, are copied while the container still runs, so that little is
 * left to do while it is frozen.
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
import { isLarge, whyForbidden, worthNamed } from '../rounds/copy-running.js';
import { dataAtMost, searchGhosts } from '../steps.js';
import { prepare } from './ahead/prepare.js';
import { rehearseMany } from './rehearse.js';
import { WarmCopies } from './warm-copies.js';

/** The least number of small ghosts: fewer are copied and described in a millisecond or two. */
const worthMany = 32;

/**
 * Copies those ghosts of PIDS that are large, or many, and large named files. A ghost that fails is left to
 * the dump, which reports it.
 */
export async function warmUp(context: Context, request: DumpRequest & { warm: WarmImages }): Promise<void> {
  const { log } = context;
  const { warm } = request;
  const found = searchGhosts(context, request.pids, { named: true });
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
  const many = small.length >= worthMany ? small : [];
  const named = worthNamed(found.named, request.policy);
  if (large.length + many.length + named.length === 0) return;
  const all = [...large, ...many, ...named];
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
    if (many.length > 0 && pass.hasRoom(many)) pass.copyMany(many);
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
  log.info(
    `before the freeze: ${warm.count} of ${counted(all.length, 'file')} copied in ${counted(pass.rounds, 'round')}${others.join('')}`,
  );
  if (many.length === 0) return;
  warm.prepared = prepare(context, request);
  if (!warm.prepared?.count) rehearseMany(context, request, many);
  // Collecting the garbage of all this while the container is frozen would make it wait 20 ms.
  collectNow();
}

/**
 * Grows our table of descriptors before the freeze. The table grows by doubling, and each time a process of
 * several threads waits for all processors (expand_files() in fs/file.c, synchronize_rcu()): 5 ms, which must
 * not fall into the time in which the container is frozen. The table never shrinks.
 */
function tryPins({ host: { processes } }: Context, ghosts: readonly Ghost[]): void {
  unpinGhosts(processes, pinSome(processes, ghosts));
}

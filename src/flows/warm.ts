/**
 * The warm pass: what is large is copied while the container still runs, so that little is left to do when it stands still.
 *
 * Nothing of it is believed. When all is frozen the ghosts are found anew, and a dump over a warm image compares every
 * byte with what is there and writes what differs (GK_DUMP_OVER): a time stamp is no proof, because a store into a mapping
 * need not change one. Where large ranges will be reflinked the freeze copies nothing anyway: then only dirty pages, for
 * which that would have to wait, are written to disk now (decision 0010).
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { errnoOf, reasonOf } from '../base/errors.js';
import type { IdMap } from '../base/host.js';
import { inParallel } from '../base/parallel.js';
import { showBytes } from '../base/units.js';
import { findGhosts } from '../ghost/find.js';
import type { Ghost } from '../ghost/ghost.js';
import { folder, warmName } from '../image/layout.js';
import type { Policy } from '../oci/policy.js';
import { type Context, whenMoving } from './context.js';
import { type CopyTarget, describeCopy, imageMode } from './copy.js';
import { describeGhost } from './describe.js';
import { needsCopy } from './dump.js';
import { namespacesOf } from './namespaces.js';
import { describe, type PinnedGhost, pinGhosts, unpinGhosts } from './pin.js';
import { WarmImages } from './warm-images.js';

/** Allocated. Below, a copy takes a millisecond or two, and its comparison not much less. */
const worthBytes = 4n << 20n;

/** File systems that share blocks, and from which length on the engine asks them to: LARGE_BYTES of native/engine/io.h. */
const sharing = new Set(['xfs', 'btrfs']);
const sharedBytes = 64n << 10n;
/** Extents to look at to know a file's. */
const sample = 256;

/** No ghost is begun later: whoever asked for the checkpoint is waiting. */
const mostMs = 30_000;

/**
 * A table of descriptors grows by doubling, and each time a process of several threads waits for all processors (expand_files()
 * in fs/file.c, synchronize_rcu()): 5 ms that nobody has when all stands still. It never shrinks.
 */
function tryPins({ host: { processes } }: Context, ghosts: readonly Ghost[]): void {
  for (const pin of processes.pinAll(ghosts.flatMap(({ holders }) => holders.slice(0, 1))))
    if ('fd' in pin) processes.unpin(pin.fd);
}

/** Copy what is large of the ghosts of PIDS. Whatever goes wrong is left to the dump, which will say so. */
export async function warmUp(
  context: Context,
  target: CopyTarget,
  pids: readonly number[],
): Promise<WarmImages> {
  const { host, log } = context;
  const warm = new WarmImages(host.files, target.images, log);
  const { ghosts } = findGhosts(host.processes, pids);
  tryPins(
    context,
    ghosts.filter(ghost => ghost.keep === 'ghostkeep' && needsCopy(ghost)),
  );
  const large = ghosts.filter(ghost => isWorthIt(ghost, target.policy));
  if (large.length === 0) return warm;
  const mayCopy = hasRoom(context, target, large);
  const pass = new Pass(context, target, namespacesOf(host.processes, pids).ids, warm, mayCopy);
  if (mayCopy) host.files.makeDirectory(`${target.images}/${folder}`);
  try {
    await inParallel(large, availableParallelism(), (ghost, index) => pass.copy(ghost, index + 1));
  } catch (error) {
    warm.discard();
    throw error;
  }
  log.info(
    `before the freeze: ${pass.copied} of ${large.length} large ghosts copied, ${pass.written} written to disk`,
  );
  return warm;
}

function isWorthIt({ keep, class: ghostClass, stat }: Ghost, { limit }: Policy): boolean {
  const isOurs = keep === 'ghostkeep' && ghostClass !== 'linked';
  return isOurs && stat.allocated >= worthBytes && (limit === undefined || stat.allocated <= limit);
}

/** The container may write to the same disk: half of what is free has to be left for it until all stands still. */
function hasRoom({ host, log }: Context, { images, policy }: CopyTarget, large: readonly Ghost[]): boolean {
  const needed = large.reduce((sum, { stat }) => sum + stat.allocated, 0n);
  const free = host.files.freeBytes(images);
  if (2n * needed + policy.reserve <= free) return true;
  log.info(
    `nothing is copied before the freeze: of ${showBytes(free)} free, ${showBytes(needed)} would be too much`,
  );
  return false;
}

class Pass {
  copied = 0;
  written = 0;
  readonly #name = randomBytes(6).toString('hex');
  readonly #until: number;
  #isFull = false;

  constructor(
    private readonly context: Context,
    private readonly target: CopyTarget,
    private readonly ids: IdMap,
    private readonly warm: WarmImages,
    private readonly mayCopy: boolean,
  ) {
    this.#until = context.host.clock() + mostMs;
  }

  async copy(ghost: Ghost, id: number): Promise<void> {
    const { host, log } = this.context;
    if (this.#isFull || host.clock() > this.#until) return;
    const image = warmName(this.#name, id);
    let pinned: PinnedGhost[] = [];
    try {
      pinned = pinGhosts(host.processes, [ghost]);
      const [pin] = pinned as [PinnedGhost];
      if (this.#willShare(pin)) await this.#writeBack(pin);
      else if (!this.mayCopy) return;
      else if (await this.#copyTo(image, pin, id)) this.warm.add(image, pin.stat);
      else host.files.remove(`${this.target.images}/${image}`);
    } catch (error) {
      host.files.remove(`${this.target.images}/${image}`);
      this.#isFull ||= errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT';
      log.info(`${describe(ghost)} is not copied before the freeze: ${reasonOf(error)}`);
    } finally {
      unpinGhosts(host.processes, pinned);
    }
  }

  /** On one file system, and most of it in extents that are worth it. */
  #willShare({ ghost, fd, stat }: PinnedGhost): boolean {
    const { engine, files } = this.context.host;
    if (!sharing.has(ghost.filesystem) || files.statPath(`${this.target.images}/.`).dev !== stat.dev)
      return false;
    let [count, bytes] = [0n, 0n];
    for (const { length } of engine.extents(fd, this.target.policy.engine, stat.size)) {
      count += 1n;
      bytes += length;
      if (count === BigInt(sample)) break;
    }
    return count > 0n && bytes / count >= sharedBytes;
  }

  async #writeBack({ fd, stat }: PinnedGhost): Promise<void> {
    await this.context.host.engine.writeBack(fd, stat.size, whenMoving(this.context));
    this.written += 1;
  }

  /** @returns false where blocks were shared after all: the dump does that in no time */
  async #copyTo(image: string, pinned: PinnedGhost, id: number): Promise<boolean> {
    const { files, engine } = this.context.host;
    const { images, policy, criu } = this.target;
    const { fd, stat } = pinned;
    const imageFd = files.create(`${images}/${image}`, imageMode(criu));
    try {
      const entry = describeGhost(this.context, pinned, this.ids, id, image);
      const copy = { ...describeCopy({ entry, fd, stat }, policy), imageFd, engine: policy.engine };
      const { ways } = await engine.dump(copy, whenMoving(this.context));
      if (ways.includes('reflink')) return false;
      this.copied += 1;
      return true;
    } finally {
      files.close(imageFd);
    }
  }
}

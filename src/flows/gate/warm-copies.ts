import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { errnoOf, reasonOf } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { inParallel } from '../../base/parallel.js';
import { type Ghost, showGhost } from '../../ghost/ghost.js';
import { folder, warmName } from '../../image/layout.js';
import { isOwnFolder } from '../../image/own-folder.js';
import { type PinnedGhost, pinGhosts, pinSome, unpinGhosts } from '../choose/pin.js';
import { type Context, whenMoving } from '../context.js';
import { toCopies } from '../dump/copy-all.js';
import { dumpTogether, inBatches } from '../dump/copy-batch.js';
import { type Copy, imageMode } from '../dump/copy-one.js';
import { type DumpRequest, makeJournal } from '../dump/journal.js';
import type { WarmImages } from '../dump/warm-images.js';
import { copyRunning, isMapped, mayHaveChanged, willShare, worthBytes } from '../rounds/copy-running.js';
import { whyNoRoom, whyTooFull } from '../rounds/room.js';

/**
 * No copy of a ghost begins more than this time after the start, because the user waits for the checkpoint.
 */
const mostMs = 30_000;

/** There are no more rounds than this: each reads all that may have changed, and the user waits. */
const mostRounds = 5;

/** A copy of a large ghost that the next round may go over. */
interface Running {
  ghost: Ghost;
  image: string;
  /** The ghost's stat from before the last round read it. */
  stat: FileStat;
  /** Bytes that the last round has written. */
  differed: bigint;
}

/** Copies ghosts while the container runs, until the time or the room for the copies is used up. */
export class WarmCopies {
  written = 0;
  rounds = 1;
  /** Bases that are good as they are. */
  fresh = 0;
  #running: Running[] = [];
  /** The ghosts that there is room for. */
  readonly #ghosts: Ghost[] = [];
  #names = 0;
  readonly #name = randomBytes(6).toString('hex');
  readonly #until: number;
  #isFull = false;

  constructor(
    private readonly context: Context,
    private readonly request: DumpRequest,
    private readonly warm: WarmImages,
  ) {
    this.#until = context.host.clock() + mostMs;
  }

  /** Makes the folder for the copies. @returns false if it is not ours alone */
  ownsFolder(): boolean {
    const { host, log } = this.context;
    const { images } = this.request;
    this.warm.mayHaveFolder = true;
    host.files.makeDirectory(`${images}/${folder}`);
    if (isOwnFolder(this.context, images)) return true;
    log.info(
      `nothing is copied before the freeze: others may write to ${images}/${folder}, or it is no folder`,
    );
    return false;
  }

  hasRoom(ghosts: readonly Ghost[]): boolean {
    const why = whyNoRoom(this.context, this.request.images, this.request.policy, ghosts);
    if (why !== undefined) this.context.log.info(`ghosts are not copied before the freeze: ${why}`);
    else for (const ghost of ghosts) this.#ghosts.push(ghost);
    return why === undefined;
  }

  /** Has the container, which still runs, used up the room that was to stay free? */
  readonly #lacksRoom = (): boolean => {
    const { images, policy } = this.request;
    this.#isFull ||= whyTooFull(this.context, images, policy, this.#ghosts) !== undefined;
    return this.#isFull;
  };

  /** @param hasRoom false: no image is made for the ghost; if it has a base, that is written over */
  async copy(ghost: Ghost, hasRoom: boolean): Promise<void> {
    await this.#pinned(ghost, async pin => {
      if (willShare(this.context, this.request, pin)) {
        await this.#writeBack(pin);
        return;
      }
      const base = this.warm.bases?.take(pin.stat);
      if (!base && !hasRoom) return;
      const image = base?.image ?? this.#nextName();
      const isFresh = base !== undefined && base.mtimeNs > newest(pin.stat) && !isMapped(ghost);
      if (isFresh) this.warm.add(image, pin.stat);
      else await this.#copyTo(image, pin, { over: base !== undefined });
      if (isFresh) this.fresh += 1;
    });
  }

  /**
   * Copies ghosts once more that have changed while they were copied, as long as less differs each time. Time
   * stamps only tell which ghosts are worth it: the dump compares all.
   */
  async again(): Promise<void> {
    for (; this.rounds < mostRounds && !this.#isOver; this.rounds += 1) {
      const before = this.#running.filter(({ differed }) => differed >= worthBytes);
      this.#running = [];
      let went = 0;
      await inParallel(before, availableParallelism(), one =>
        this.#pinned(one.ghost, async pin => {
          if (!isSameInode(pin.stat, one.stat) || !mayHaveChanged(one.ghost, one.stat, pin.stat)) return;
          went += 1;
          await this.#copyTo(one.image, pin, { over: true, before: one.differed });
        }),
      );
      if (went === 0) return;
    }
  }

  async #pinned(ghost: Ghost, work: (pin: PinnedGhost) => Promise<void>): Promise<void> {
    const { host, log } = this.context;
    if (this.#isOver) return;
    let pinned: PinnedGhost[] = [];
    try {
      pinned = pinGhosts(host.processes, [ghost]);
      const [pin] = pinned as [PinnedGhost];
      await work(pin);
    } catch (error) {
      this.#noteFull(error);
      log.info(`${showGhost(ghost)} is not copied before the freeze: ${reasonOf(error)}`);
    } finally {
      unpinGhosts(host.processes, pinned);
    }
  }

  /** Copies small ghosts in batches, as the dump does. */
  copyMany(ghosts: readonly Ghost[]): void {
    const {
      log,
      host: { processes },
    } = this.context;
    const pinned = pinSome(processes, ghosts);
    try {
      const images = pinned.map(() => this.#nextName());
      const copies = toCopies(pinned, makeJournal(this.context, this.request, pinned, {}, images));
      for (const batch of inBatches(copies)) if (!this.#isOver) this.#copyBatch(batch);
    } catch (error) {
      log.info(`small ghosts are not copied before the freeze: ${reasonOf(error)}`);
    } finally {
      unpinGhosts(processes, pinned);
    }
  }

  #copyBatch(copies: readonly Copy[]): void {
    const { log, alive, progress } = this.context;
    const results = dumpTogether(this.context, copies, this.request);
    for (const [index, { entry, stat }] of copies.entries()) {
      const result = results[index];
      if (result && 'report' in result) this.warm.add(entry.image, stat);
      else if (result) this.#noteFull(result.error);
    }
    const failed = results.find(result => 'error' in result);
    if (failed && 'error' in failed)
      log.info(`not all small ghosts are copied before the freeze: ${reasonOf(failed.error)}`);
    progress?.did(copies.length);
    progress?.moved(copies.reduce((sum, { stat }) => sum + stat.size, 0n));
    alive?.();
  }

  get #isOver(): boolean {
    return this.#isFull || this.context.host.clock() > this.#until;
  }

  #noteFull(error: unknown): void {
    this.#isFull ||= isFull(error);
  }

  #nextName(): string {
    this.#names += 1;
    return warmName(this.#name, this.#names);
  }

  async #writeBack({ fd, stat }: PinnedGhost): Promise<void> {
    await this.context.host.engine.writeBack(fd, stat.size, whenMoving(this.context));
    this.written += 1;
  }

  /**
   * Copies a ghost into IMAGE, and notes it for the dump.
   * @param over the image is there and may hold anything
   * @param before bytes that differed in the round before: if not fewer differ now, the ghost gets no other
   * round
   */
  async #copyTo(
    image: string,
    pinned: PinnedGhost,
    { over, before }: { over: boolean; before?: bigint },
  ): Promise<void> {
    const { files } = this.context.host;
    const path = `${this.request.images}/${image}`;
    try {
      const imageFd = over ? files.openWritable(path) : files.create(path, imageMode(this.request));
      try {
        const { context, request } = this;
        const running = copyRunning(context, request, pinned, imageFd, over, this.#lacksRoom);
        const { shared, differed } = await running;
        // An image that shares blocks is removed, because the dump shares them in no time.
        if (shared) files.remove(path);
        else this.warm.add(image, pinned.stat);
        const shrinks = before === undefined || differed < before;
        if (!shared && shrinks)
          this.#running.push({ ghost: pinned.ghost, image, stat: pinned.stat, differed });
      } finally {
        files.close(imageFd);
      }
    } catch (error) {
      // The image of an earlier round is still worth comparing, unless the disk is full.
      if (before === undefined || isFull(error)) files.remove(path);
      throw error;
    }
  }
}

const isFull = (error: unknown) => errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT';

const newest = ({ mtimeNs, ctimeNs }: FileStat) => (mtimeNs > ctimeNs ? mtimeNs : ctimeNs);

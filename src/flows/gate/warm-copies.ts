import { randomBytes } from 'node:crypto';
import { errnoOf, reasonOf } from '../../base/errors.js';
import { showBytes } from '../../base/units.js';
import { type Ghost, showGhost } from '../../ghost/ghost.js';
import { folder, warmName } from '../../image/layout.js';
import { isOwnFolder } from '../../image/own-folder.js';
import { type PinnedGhost, pinGhosts, pinSome, unpinGhosts } from '../choose/pin.js';
import { type Context, whenMoving } from '../context.js';
import { toCopies } from '../dump/copy-all.js';
import { dumpTogether, inBatches } from '../dump/copy-batch.js';
import { type Copy, describeCopy, imageMode } from '../dump/copy-one.js';
import { type DumpRequest, makeJournal } from '../dump/journal.js';
import type { WarmImages } from '../dump/warm-images.js';
import { rehearseMany } from './rehearse.js';

/** Bytes that an image takes besides its ghost's data, with the rest of its last block. */
const headBytes = 8192n;

/**
 * File systems that share blocks, and the length from which on the engine asks them to share: LARGE_BYTES of
 * native/engine/base/io.h.
 */
const sharing = new Set(['xfs', 'btrfs']);
const sharedBytes = 64n << 10n;
/** Extents that we look at to estimate the average length of a file's extents. */
const sample = 256;

/** No copy of a ghost begins later than this, because the user waits for the checkpoint. */
const mostMs = 30_000;

/** Copies ghosts while the container runs, until the time or the room for the copies is used up. */
export class WarmCopies {
  written = 0;
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

  /**
   * The container may write to the same disk, so half of the free space has to be left to it until it is
   * frozen.
   */
  mayCopy(ghosts: readonly Ghost[]): boolean {
    const { host, log } = this.context;
    const { images, policy } = this.request;
    const workFolder = `${images}/${folder}`;
    const needed = ghosts.reduce((sum, { stat }) => sum + stat.allocated + headBytes, 0n);
    const free = host.files.freeBytes(images);
    if (free !== undefined && 2n * needed + policy.reserve > free) {
      log.info(
        `ghosts are not copied before the freeze: they need ${showBytes(needed)}, too much of the ${showBytes(free)} free`,
      );
      return false;
    }
    host.files.makeDirectory(workFolder);
    if (isOwnFolder(this.context, images)) return true;
    log.info(`nothing is copied before the freeze: others may write to ${workFolder}, or it is no folder`);
    return false;
  }

  /** @param mayCopy false: only write the ghost's dirty pages to disk, if its blocks will be shared */
  async copy(ghost: Ghost, mayCopy: boolean): Promise<void> {
    const { host, log } = this.context;
    if (this.#isOver) return;
    const image = this.#nextName();
    let pinned: PinnedGhost[] = [];
    try {
      pinned = pinGhosts(host.processes, [ghost]);
      const [pin] = pinned as [PinnedGhost];
      if (this.#willShare(pin)) await this.#writeBack(pin);
      else if (!mayCopy) return;
      else if (await this.#copyTo(image, pin)) this.warm.add(image, pin.stat);
      else host.files.remove(`${this.request.images}/${image}`);
    } catch (error) {
      host.files.remove(`${this.request.images}/${image}`);
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
      rehearseMany(this.context, this.request, pinned);
    } catch (error) {
      log.info(`small ghosts are not copied before the freeze: ${reasonOf(error)}`);
    } finally {
      unpinGhosts(processes, pinned);
    }
  }

  #copyBatch(copies: readonly Copy[]): void {
    const { log, alive } = this.context;
    const results = dumpTogether(this.context, copies, this.request);
    for (const [index, { entry, stat }] of copies.entries()) {
      const result = results[index];
      if (result && 'report' in result) this.warm.add(entry.image, stat);
      else if (result) this.#noteFull(result.error);
    }
    const failed = results.find(result => 'error' in result);
    if (failed && 'error' in failed)
      log.info(`not all small ghosts are copied before the freeze: ${reasonOf(failed.error)}`);
    alive?.();
  }

  get #isOver(): boolean {
    return this.#isFull || this.context.host.clock() > this.#until;
  }

  #noteFull(error: unknown): void {
    this.#isFull ||= errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT';
  }

  #nextName(): string {
    this.#names += 1;
    return warmName(this.#name, this.#names);
  }

  /**
   * True if the image is on the same file system and most of the ghost is in extents long enough to share.
   */
  #willShare({ ghost, fd, stat }: PinnedGhost): boolean {
    const { engine, files } = this.context.host;
    if (!sharing.has(ghost.filesystem) || files.statPath(`${this.request.images}/.`).dev !== stat.dev)
      return false;
    let [count, bytes] = [0n, 0n];
    for (const { length } of engine.extents(fd, this.request.policy.engine, stat.size)) {
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

  /** @returns false if blocks were shared after all: the dump does that in no time */
  async #copyTo(image: string, pinned: PinnedGhost): Promise<boolean> {
    const { files, engine } = this.context.host;
    const { images, policy, criu } = this.request;
    const [copy] = toCopies([pinned], makeJournal(this.context, this.request, [pinned], {}, [image]));
    const imageFd = files.create(`${images}/${image}`, imageMode(criu));
    try {
      const job = { ...describeCopy(copy as Copy, policy), imageFd, engine: policy.engine };
      const { ways } = await engine.dump(job, whenMoving(this.context));
      if (ways.includes('reflink')) return false;
      return true;
    } finally {
      files.close(imageFd);
    }
  }
}

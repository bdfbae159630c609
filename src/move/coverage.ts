/** Notes which ranges of a ghost a sender has told about. */
import { blockBytes, mostSame, streamError } from './frames.js';

/**
 * The frames between `ghost` and `end` have ascending ranges, which cover the whole ghost. In a repair they
 * may leave gaps.
 */
export class Coverage {
  #covered = 0n;

  constructor(
    readonly handle: number,
    readonly size: bigint,
    readonly isRepair: boolean,
  ) {}

  /** @throws MOVE_STREAM where the range may not come next */
  add(offset: bigint, length: bigint): void {
    const end = offset + length;
    if (length === 0n || end > this.size) throw this.#wrong(offset, length, `its size is ${this.size}`);
    if (offset % blockBytes !== 0n || (end % blockBytes !== 0n && end !== this.size))
      throw this.#wrong(offset, length, 'it does not lie on blocks');
    if (this.isRepair ? offset < this.#covered : offset !== this.#covered)
      throw this.#wrong(offset, length, `the frames before it end at ${this.#covered}`);
    this.#covered = end;
  }

  addSame(offset: bigint, length: bigint): void {
    if (length > mostSame)
      throw this.#wrong(offset, length, `at most ${mostSame} bytes are compared at once`);
    this.add(offset, length);
  }

  /** @throws MOVE_STREAM where the ghost is not complete */
  end(size: bigint): void {
    if (size === this.size && (this.isRepair || this.#covered === size)) return;
    throw streamError(`ghost ${this.handle} ends at ${this.#covered} of ${this.size} bytes`);
  }

  #wrong(offset: bigint, length: bigint, reason: string) {
    return streamError(`ghost ${this.handle} has ${length} bytes at ${offset}, but ${reason}`);
  }
}

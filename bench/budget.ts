import { missing } from './machine/missing.js';

/** A suite's time, shared among its cells: what one does not need, the others may have. */
export class Budget {
  #cells: number;
  readonly #end: number;

  constructor(
    totalMs: number,
    cells: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#cells = cells;
    this.#end = now() + totalMs;
  }

  /**
   * When the cell of that name should have ended; it gets one round however long that lasts.
   * @param leastMs what one round takes on an idle machine
   * @returns undefined, said, when that is more than what is left: on a busy machine a suite is cut short,
   * not long
   */
  next(name: string, leastMs = 0): number | undefined {
    const now = this.now();
    if (now + leastMs >= this.#end) {
      this.#cells -= 1;
      missing(name, 'there was no time left for it');
      return undefined;
    }
    const share = Math.max(0, this.#end - now) / Math.max(1, this.#cells);
    this.#cells -= 1;
    return now + share;
  }
}

/** Half a minute less than what is promised: 5 minutes a suite, 1 with --quick, with making file systems. */
export const suiteMs = { full: 270_000, quick: 45_000 };

import { missing } from './machine/missing.js';

/** A suite's time, shared among its cells. Time that one cell does not need goes to the others. */
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
   * Gives the time by which the named cell should end. It gets one round, however long that lasts.
   * @param leastMs the length of one round on an idle machine
   * @returns undefined when a round takes more than the time left, which is reported: on a busy machine a
   * suite is cut short and does not run longer
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

/**
 * Half a minute less than promised (5 minutes a suite, 1 with --quick), because making file systems takes
 * time too.
 */
export const suiteMs = { full: 270_000, quick: 45_000 };

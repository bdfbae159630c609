/**
 * How long we wait for a server. A checkpoint meets a dead server twice: while the container runs, and again
 * when it is frozen. The second time we wait only as long as a server needs to answer after it has come back.
 */
export const firstWaitMs = 2000;
/**
 * If another server has been silent before, we wait only this long: the whole container may be frozen, and
 * waiting for that server has already taken time.
 */
const nextWaitMs = 500;
const againWaitMs = 100;

export class Patience {
  /** Ids of mounts. */
  readonly #silent = new Set<number>();

  waitMs(mount: number): number {
    if (this.#silent.has(mount)) return againWaitMs;
    return this.#silent.size > 0 ? nextWaitMs : firstWaitMs;
  }

  note(mount: number, hasAnswered: boolean): void {
    if (hasAnswered) this.#silent.delete(mount);
    else this.#silent.add(mount);
  }
}

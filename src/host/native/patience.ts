/**
 * How long a server is waited for. A dead one is met twice in a checkpoint: while the container runs, and
 * again when it is frozen. Then it has had its time, and is only given what a server needs that has come
 * back.
 */
export const firstWaitMs = 2000;
/** All of a container may be frozen meanwhile, and one server has taken its time already. */
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

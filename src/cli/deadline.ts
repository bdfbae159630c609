import { GhostkeepError } from '../base/errors.js';

/**
 * Fail with DEADLINE when nothing shows a sign of life for WAIT_MS. What hangs may be a system call on a dead
 * server: the process then ends without waiting for it.
 */
export class Deadline {
  #timer: NodeJS.Timeout;

  constructor(
    private readonly waitMs: number,
    private readonly what: string,
    private readonly onExpired: (error: GhostkeepError) => void,
  ) {
    this.#timer = this.#start();
  }

  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => {
      this.onExpired(
        new GhostkeepError(
          'DEADLINE',
          this.what,
          `cannot finish ${this.what}: nothing moved for ${this.waitMs / 1000} s`,
        ),
      );
    }, this.waitMs);
  }
}

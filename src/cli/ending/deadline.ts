import { GhostkeepError } from '../../base/errors.js';

export function expired(what: string, waitMs: number): GhostkeepError {
  return new GhostkeepError('DEADLINE', what, `cannot finish ${what}: nothing moved for ${waitMs / 1000} s`);
}

/**
 * Fails with DEADLINE if nobody calls `alive` for WAIT_MS. It cannot interrupt a call that blocks the event
 * loop: see ProcessDeadline.
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
      this.onExpired(expired(this.what, this.waitMs));
    }, this.waitMs);
  }
}

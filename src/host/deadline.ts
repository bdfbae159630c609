import { ask, cString } from './native/call.js';

const mostOftenMs = 200;

/**
 * Ends the process with STATUS, and LINE on stderr, when alive() is not called for WAIT_MS. It does so
 * whatever the process is doing, even in a call to a dead server that blocks the event loop. FOLDER and the
 * files in it are removed first. @throws NATIVE_MISSING
 */
export class ProcessDeadline {
  #armedAt = 0;
  readonly #line: Buffer;
  readonly #folder: Buffer;

  constructor(
    private readonly waitMs: number,
    private readonly status: number,
    line: string,
    folder = '',
  ) {
    this.#line = Buffer.from(`${line}\0`);
    this.#folder = cString(Buffer.from(folder));
    this.#arm(waitMs);
  }

  /** This may be called a million times, so the deadline is moved only now and then. */
  alive(): void {
    if (performance.now() - this.#armedAt >= Math.min(mostOftenMs, this.waitMs / 2)) this.#arm(this.waitMs);
  }

  stop(): void {
    this.#arm(0);
  }

  #arm(waitMs: number): void {
    this.#armedAt = performance.now();
    ask('gk_deadline', waitMs, this.status, this.#line, this.#folder);
  }
}

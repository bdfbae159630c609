import { ask, cString } from './native/call.js';

const mostOftenMs = 200;

/**
 * The process ends with STATUS and LINE on stderr when alive() is not called for WAIT_MS, whatever it is
 * doing: also in a call on a dead server that blocks the event loop. Before that FOLDER goes, and the files
 * in it. @throws NATIVE_MISSING
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

  /** It may be called a million times: the deadline moves now and then. */
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

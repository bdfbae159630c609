/** A part of a command's work. */
export interface Step {
  /** The work, as the beginning of a line: `copying`. */
  what: string;
  /** How many things it is done to, and the name of one: `ghost`. */
  items: number;
  item: string;
  /** How many bytes will move. It is asked only when somebody looks, because adding up takes time. */
  bytes?: () => bigint;
}

/** A step as a printer sees it. */
export interface ProgressState {
  what: string;
  item: string;
  items: number;
  itemsDone: number;
  /** Undefined where bytes are not counted beforehand. */
  bytes: bigint | undefined;
  bytesDone: bigint;
  /** From 0 to 1, by bytes where they are known. */
  part: number;
  /** Since the step began. */
  ms: number;
  /** Undefined where too little is done to tell, and where nothing is left. */
  msLeft: number | undefined;
}

/** An estimate that is made after a shorter time would jump about. */
const leastMs = 1000;

/**
 * How far a command has come. Flows say what they do, and printers look whenever they want
 * (src/cli/progress/). It is only counters, because a container may be frozen while they count.
 */
export class Progress {
  #step: Step | undefined;
  #since = 0;
  #itemsDone = 0;
  #bytesDone = 0n;
  #bytes: bigint | undefined;

  /**
   * @param clock in milliseconds
   * @param onChange called at each change, often: it has to return at once
   */
  constructor(
    private readonly clock: () => number,
    private readonly onChange: () => void = () => {},
  ) {}

  begin(step: Step): void {
    this.#step = step;
    this.#since = this.clock();
    this.#itemsDone = 0;
    this.#bytesDone = 0n;
    this.#bytes = undefined;
    this.onChange();
  }

  moved(bytes: bigint): void {
    this.#bytesDone += bytes;
    this.onChange();
  }

  did(items = 1): void {
    this.#itemsDone += items;
    this.onChange();
  }

  /** @returns undefined before the first step */
  look(): ProgressState | undefined {
    if (!this.#step) return undefined;
    const { what, item, items } = this.#step;
    this.#bytes ??= this.#step.bytes?.();
    const bytes = this.#bytes || undefined;
    const itemsDone = Math.min(this.#itemsDone, items);
    // A copy that is tried again moves its bytes twice.
    const bytesDone = bytes !== undefined && this.#bytesDone > bytes ? bytes : this.#bytesDone;
    const part = bytes === undefined ? itemsDone / Math.max(items, 1) : Number(bytesDone) / Number(bytes);
    const ms = this.clock() - this.#since;
    const msLeft = ms >= leastMs && part > 0 && part < 1 ? (ms / part) * (1 - part) : undefined;
    return { what, item, items, itemsDone, bytes, bytesDone, part, ms, msLeft };
  }
}

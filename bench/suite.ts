import type { Filesystem } from './machine/filesystems.js';
import type { Row } from './report/row.js';

export interface SuiteContext {
  quick: boolean;
  /** The time for all cells together. */
  budgetMs: number;
  /** The bench's own folder, which is removed when it ends. */
  scratch: string;
  filesystems: readonly Filesystem[];
  /** With --case, true only for the cases named there. */
  wants(name: string): boolean;
  say(line: string): void;
}

/**
 * A suite, in a file of its own. Rows are yielded one by one, so that earlier measurements survive a failure.
 */
export interface Suite {
  name: string;
  summary: string;
  needsFilesystems: boolean;
  run(context: SuiteContext): AsyncIterable<Row>;
}

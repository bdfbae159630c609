import type { Filesystem } from './machine/filesystems.js';
import type { Row } from './report/row.js';

export interface SuiteContext {
  quick: boolean;
  /** For all cells together. */
  budgetMs: number;
  /** Of the bench's own; gone when it ends. */
  scratch: string;
  filesystems: readonly Filesystem[];
  /** --case: only cases of these names. */
  wants(name: string): boolean;
  say(line: string): void;
}

/** One file a suite: rows as they come, so that what was measured before a failure is not lost. */
export interface Suite {
  name: string;
  summary: string;
  needsFilesystems: boolean;
  run(context: SuiteContext): AsyncIterable<Row>;
}

/**
 * The machine, as the flows use it. src/host implements it on Linux; tests pass their own.
 * Errors are Node's, with their errno (`code: 'ENOENT'`). The flow that asked translates them.
 */

import type { Commands } from './commands.js';
import type { Engine } from './engine.js';
import type { Files } from './files.js';
import type { Moving, Sending } from './moving.js';
import type { Freezer, ProcessView } from './process-view.js';

export type * from './commands.js';
export type * from './engine.js';
export type * from './file-stat.js';
export type * from './files.js';
export type * from './mount.js';
export type * from './moving.js';
export type * from './process-view.js';

export interface Host {
  commands: Commands;
  processes: ProcessView;
  files: Files;
  engine: Engine;
  freezer: Freezer;
  sending: Sending;
  moving: Moving;
  now(): Date;
  /** Monotonic milliseconds. */
  clock(): number;
  uid(): number;
  /** The variables that this program was started with. */
  environment(): Readonly<Record<string, string | undefined>>;
  /**
   * An id of this host that differs from every other host's. After a reboot it is the same, unless the host
   * has no machine id. The machine id cannot be computed from it.
   */
  machine(): string;
}

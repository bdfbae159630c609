/**
 * What the flows may ask of the machine. src/host implements it on Linux; tests pass their own.
 * Errors are Node's, with their errno (`code: 'ENOENT'`): the flow that asked translates.
 */

import type { Commands } from './commands.js';
import type { Engine } from './engine.js';
import type { Files } from './files.js';
import type { ProcessView } from './process-view.js';

export type * from './commands.js';
export type * from './engine.js';
export type * from './file-stat.js';
export type * from './files.js';
export type * from './mount.js';
export type * from './process-view.js';

export interface Host {
  commands: Commands;
  processes: ProcessView;
  files: Files;
  engine: Engine;
  now(): Date;
  /** Monotonic milliseconds. */
  clock(): number;
  uid(): number;
  /** The same on this host after a reboot, and on no other; nobody can tell the machine id from it. */
  machine(): string;
}

import type { Unseen } from '../../base/documents/generated/scan.js';
import type { Ghost } from '../ghost.js';
import type { Carrier, OpenDevice } from './inside.js';
import type { Lost } from './named.js';
import type { UnseenInSearch } from './unseen.js';

/** The result of a search of processes. */
export interface Found {
  ghosts: Ghost[];
  /** Files on a shared /dev/shm that have their names. Only where they were asked for. */
  named: readonly Ghost[];
  /** All else that is held there by its name, and cannot be copied. It is looked for with the named files. */
  lost: readonly Lost[];
  unseen: UnseenInSearch[];
  /** Threads among the holders that have a table of descriptors of their own. */
  apart: ReadonlySet<number>;
  /** A process that was searched may serve a FUSE file system. */
  servesFuse: boolean;
  /** Places where files may be that no descriptor leads to. lookInside() looks there. */
  carriers: readonly Carrier[];
  devices: readonly OpenDevice[];
  /** Shared memory that could not be looked at. */
  memory: readonly Unseen[];
}

import type { Unseen } from '../../base/documents/generated/scan.js';
import type { Identity } from '../../base/host/host.js';
import type { Ghost, Holder } from '../ghost.js';
import type { ShmList } from '../mounts/on-shm.js';
import type { Carrier, OpenDevice } from './inside.js';
import type { UnseenInSearch } from './unseen.js';

/** Something on a shared /dev/shm that no copy of ours brings back. */
export interface Lost {
  path: Buffer;
  /** It comes back all the same if a file in this folder does. */
  folder?: Buffer;
  stat: Identity;
  holder?: Holder | undefined;
  why: string;
}

/** Files of a shared /dev/shm that the searched processes do not hold. */
export interface Closed extends ShmList {
  /** The file systems that were listed. */
  devices: readonly bigint[];
}

/** The result of a search of processes. */
export interface Found {
  ghosts: Ghost[];
  /** Files on a shared /dev/shm that have their names. Only where they were asked for. */
  named: readonly Ghost[];
  /** All else that is held there by its name, and cannot be copied. It is looked for with the named files. */
  lost: readonly Lost[];
  /** It is looked for with the named files. */
  closed: Closed;
  unseen: UnseenInSearch[];
  /** Threads among the holders that have a table of descriptors of their own. */
  apart: ReadonlySet<number>;
  /** A process that was searched may serve a FUSE file system. */
  servesFuse: boolean;
  /** Places where files may be that no descriptor leads to. lookInside() looks there. */
  carriers: readonly Carrier[];
  devices: readonly OpenDevice[];
  /** Memory that has no file which could be looked at. */
  memory: readonly Unseen[];
}

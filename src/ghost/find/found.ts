import type { Unseen } from '../../base/documents/generated/scan.js';
import type { Identity } from '../../base/host/host.js';
import type { Ghost, Holder } from '../ghost.js';
import type { SharedShm, ShmList } from '../mounts/on-shm.js';
import type { Carrier, OpenDevice } from './inside.js';
import type { UnseenInSearch } from './unseen.js';

/** Something on a shared /dev/shm that no copy of ours brings back. */
export interface Lost {
  path: Buffer;
  /** The lost thing comes back all the same if a file in this folder comes back. */
  folder?: Buffer;
  stat: Identity;
  holder?: Holder | undefined;
  why: string;
}

/** Files of a shared /dev/shm that the searched processes do not hold. */
export interface Closed extends ShmList {
  /** The folders that were listed. */
  places: readonly SharedShm[];
  /**
   * False where no searched process has a /dev/shm that we have mounted, too. Then nothing was decided from
   * sockets and watches.
   */
  mayShare: boolean;
}

/** The result of a search of processes. */
export interface Found {
  ghosts: Ghost[];
  /** Files on a shared /dev/shm that still have their names. Empty where the caller did not ask for them. */
  named: readonly Ghost[];
  /** All else that is held by its name on a shared /dev/shm and cannot be copied. Found only with `named`. */
  lost: readonly Lost[];
  /** Found only with `named`. */
  closed: Closed;
  unseen: UnseenInSearch[];
  /** Threads among the holders that have a table of descriptors of their own. */
  apart: ReadonlySet<number>;
  /** A process that was searched may serve a FUSE file system. */
  servesFuse: boolean;
  /** Places where files may be that no descriptor leads to. lookInside() looks there. */
  carriers: readonly Carrier[];
  devices: readonly OpenDevice[];
  /** Memory of processes behind which there is no file that we could look at. */
  memory: readonly Unseen[];
}

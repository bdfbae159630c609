/**
 * The messages of CRIU's images that sealing reads or writes. images.proto has the same fields; a test holds
 * the two against each other.
 */
import type { MessageType } from './message.js';

export interface FileEntry {
  /** 1 is REG. */
  type: number;
  id: number;
  reg?: RegFileEntry;
}

export interface RegFileEntry {
  id: number;
  flags: number;
  pos: bigint;
  /** A path, which need not be UTF-8. */
  name: Uint8Array;
  mntId?: number;
  ext?: boolean;
}

export interface RemapFilePathEntry {
  origId: number;
  remapId: number;
  /** LINKED 0, GHOST 1, PROCFS 2. */
  remapType?: number;
}

export interface Timeval {
  tvSec: bigint;
  tvUsec: bigint;
}

export interface GhostFileEntry {
  uid: number;
  gid: number;
  mode: number;
  dev?: number;
  ino?: bigint;
  rdev?: number;
  atim?: Timeval;
  mtim?: Timeval;
  chunks?: boolean;
  size?: bigint;
}

const required = true;

const regFileEntry: MessageType<RegFileEntry> = {
  typeName: 'RegFileEntry',
  fields: [
    { no: 1, name: 'id', kind: 'uint32', required },
    { no: 2, name: 'flags', kind: 'uint32', required },
    { no: 3, name: 'pos', kind: 'uint64', required },
    { no: 6, name: 'name', kind: 'bytes', required },
    { no: 7, name: 'mntId', kind: 'sint32' },
    { no: 9, name: 'ext', kind: 'bool' },
  ],
};

export const fileEntry: MessageType<FileEntry> = {
  typeName: 'FileEntry',
  fields: [
    { no: 1, name: 'type', kind: 'uint32', required },
    { no: 2, name: 'id', kind: 'uint32', required },
    { no: 3, name: 'reg', kind: regFileEntry },
  ],
};

export const remapFilePathEntry: MessageType<RemapFilePathEntry> = {
  typeName: 'RemapFilePathEntry',
  fields: [
    { no: 1, name: 'origId', kind: 'uint32', required },
    { no: 2, name: 'remapId', kind: 'uint32', required },
    { no: 3, name: 'remapType', kind: 'uint32' },
  ],
};

const timeval: MessageType<Timeval> = {
  typeName: 'Timeval',
  fields: [
    { no: 1, name: 'tvSec', kind: 'uint64', required },
    { no: 2, name: 'tvUsec', kind: 'uint64', required },
  ],
};

export const ghostFileEntry: MessageType<GhostFileEntry> = {
  typeName: 'GhostFileEntry',
  fields: [
    { no: 1, name: 'uid', kind: 'uint32', required },
    { no: 2, name: 'gid', kind: 'uint32', required },
    { no: 3, name: 'mode', kind: 'uint32', required },
    { no: 4, name: 'dev', kind: 'uint32' },
    { no: 5, name: 'ino', kind: 'uint64' },
    { no: 6, name: 'rdev', kind: 'uint32' },
    { no: 7, name: 'atim', kind: timeval },
    { no: 8, name: 'mtim', kind: timeval },
    { no: 9, name: 'chunks', kind: 'bool' },
    { no: 10, name: 'size', kind: 'uint64' },
  ],
};

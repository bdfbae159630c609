import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import type { Frame, Link, MovedFiles, Moving, Patch, Shape, Store } from '../../base/host/host.js';
import { call } from '../native/call.js';
import { layerName, patch, values } from '../native/layout.js';

const frameHead = values.GK_FRAME_HEAD_BYTES;
const entryBytes = values.GK_MOVE_ENTRY_BYTES;
const blockBytes = values.GK_MOVE_BLOCK_BYTES;
const untilDead = 0xffffffff;

class NativeLink implements Link {
  readonly #handle: bigint;
  readonly #frame = Buffer.alloc(frameHead + values.GK_FRAME_PAYLOAD_MAX);
  readonly #sequence = Buffer.alloc(4);

  constructor(inFd: number, outFd: number | undefined, deadMs: number) {
    const handle = Buffer.alloc(8);
    call('gk_link_open', inFd, outFd ?? -1, deadMs, handle);
    this.#handle = handle.readBigUInt64LE();
  }

  greet(greeting: Uint8Array): void {
    call('gk_link_greet', this.#handle, greeting, null);
  }

  greeting(): Buffer {
    const theirs = Buffer.alloc(values.GK_GREETING_BYTES);
    call('gk_link_greet', this.#handle, null, theirs);
    return theirs;
  }

  beat(everyMs: number): void {
    call('gk_link_beat', this.#handle, everyMs);
  }

  receive(): Frame | undefined {
    const frame = this.#frame;
    try {
      call('gk_link_receive', this.#handle, untilDead, frame);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENODATA') return undefined;
      throw error;
    }
    const payload = frame.subarray(frameHead, frameHead + frame.readUInt32LE(4));
    return { type: frame.readUInt32LE(0), sequence: frame.readUInt32LE(8), payload };
  }

  send(type: number, payload: Uint8Array): number {
    call('gk_link_send', this.#handle, type, payload, payload.byteLength, this.#sequence);
    return this.#sequence.readUInt32LE();
  }

  close(): void {
    call('gk_link_close', this.#handle);
  }
}

const store: Store = {
  resize: ({ dataFd, tableFd }, size) => void call('gk_store_resize', dataFd, tableFd, size),

  write({ dataFd, tableFd }: MovedFiles, offset: bigint, bytes: Uint8Array) {
    const entries = Buffer.alloc(Math.ceil(bytes.byteLength / blockBytes) * entryBytes);
    const fresh = Buffer.alloc(4);
    call('gk_store_data', dataFd, tableFd, offset, bytes, bytes.byteLength, entries, fresh);
    return { entries, fresh: fresh.readUInt32LE() };
  },

  patch({ dataFd, tableFd }: MovedFiles, { offset, length, digest, runs, bytes }: Patch) {
    const entries = Buffer.alloc(Math.ceil(Number(length) / blockBytes) * entryBytes);
    const counts = Buffer.alloc(12);
    const about = Buffer.alloc(patch.bytes);
    about.writeBigUInt64LE(offset, patch.at.offset);
    about.writeBigUInt64LE(length, patch.at.length);
    about.writeUInt32LE(runs.byteLength / 8, patch.at.runs);
    about.writeUInt32LE(bytes.byteLength, patch.at.bytes);
    about.set(digest, patch.at.digest);
    call('gk_store_patch', dataFd, tableFd, about, runs, bytes, entries, counts);
    const [matches, fresh, touched] = [0, 4, 8].map(at => counts.readUInt32LE(at)) as [
      number,
      number,
      number,
    ];
    return { entries: matches ? entries : undefined, fresh, touched };
  },

  zero({ dataFd, tableFd }: MovedFiles, offset: bigint, length: bigint) {
    const freed = Buffer.alloc(8);
    call('gk_store_zero', dataFd, tableFd, offset, length, freed);
    return freed.readBigUInt64LE();
  },

  sync: fd => void call('gk_store_sync', fd, 0),
  syncDisk: fd => void call('gk_store_sync', fd, 1),

  putEntries: (tableFd, firstBlock, entries) =>
    void call('gk_table_put', tableFd, firstBlock, entries.byteLength / entryBytes, entries),

  digest(tableFd: number, firstBlock: bigint, count: number) {
    const [digest, unknown] = [Buffer.alloc(entryBytes), Buffer.alloc(4)];
    call('gk_table_digest', tableFd, firstBlock, count, digest, unknown);
    return unknown.readUInt32LE() === 0 ? digest : undefined;
  },

  makeTable: ({ dataFd, tableFd }) => void call('gk_table_make', dataFd, tableFd, null),

  runs(tableFd, size, most) {
    const [pairs, count] = [Buffer.alloc(16 * most), Buffer.alloc(4)];
    try {
      const { dataBytes } = call('gk_shape_runs', tableFd, size, pairs, most, count);
      const at = (index: number) => Number(pairs.readBigUInt64LE(8 * index));
      const runs = Array.from(
        { length: count.readUInt32LE() },
        (_, n) => [at(2 * n), at(2 * n + 1)] as const,
      );
      return { runs, bytes: dataBytes };
    } catch (error) {
      if (errnoOf(error) === 'E2BIG') return undefined;
      throw error;
    }
  },

  shapeTail(dataFd, { size, header, runs }) {
    try {
      call('gk_shape_tail', dataFd, size, header.byteLength, pairsOf(runs), runs.length);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EOPNOTSUPP') return false;
      throw error;
    }
  },

  shapeHeads(dataFd, { size, header, runs }) {
    call('gk_shape_heads', dataFd, size, header, header.byteLength, pairsOf(runs), runs.length);
  },

  cut: (dataFd, size) => fs.ftruncateSync(dataFd, Number(size)),

  put(fd: number, offset: bigint, bytes: Uint8Array) {
    for (let done = 0; done < bytes.byteLength; )
      done += fs.writeSync(fd, bytes, done, bytes.byteLength - done, Number(offset) + done);
  },

  fileDigest(fd: number) {
    const digest = Buffer.alloc(layerName.bytes);
    call('gk_layer_name', fd, digest);
    return digest;
  },
};

function pairsOf(runs: Shape['runs']): Buffer {
  const pairs = Buffer.alloc(16 * runs.length);
  for (const [index, block] of runs.flat().entries()) pairs.writeBigUInt64LE(BigInt(block), 8 * index);
  return pairs;
}

export const moving: Moving = {
  openLink: (inFd, outFd, deadMs) => new NativeLink(inFd, outFd, deadMs),
  store,
};

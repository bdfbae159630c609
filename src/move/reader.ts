/**
 * Reads the frames of a sender, which may be hostile. It checks everything that can be checked without the
 * receiver's files, and hands whole operations to a table of functions: `receive` has one table, and
 * `receive --dump` another.
 */
import type { Frame, Patch } from '../base/host/host.js';
import { Coverage } from './coverage.js';
import { isFileName } from './file-names.js';
import { type FrameName, frameName, handleAt, largestSize, streamError } from './frames.js';
import {
  decodeMessage,
  type MoveCommit,
  type MoveFile,
  type MoveHello,
  type MoveSeal,
  type MoveSealGhost,
} from './messages.js';
import { decodePatch, patchHeadBytes } from './patch.js';

/** One connection has at most this many ghosts, as many files, and as many repairs. */
const most = 50_000;
const keyPattern = /^[0-9a-f]{1,16}(-[0-9a-f]{1,16}){2}$/;
const longestKey = 50;
/**
 * All frames of a list together have at most this many bytes. 50,000 ghosts at a seal take less than 20 MB.
 */
const longestList = 32 << 20;
/** A message that has no list has at most this many bytes. */
const shortMessage = 4000;

/**
 * The reader calls one when it has checked a frame. Buffers are valid until the call, or its promise, ends.
 */
export interface Operations {
  hello(hello: MoveHello): Promise<void> | void;
  /** @param isRepair the key was sent before in this connection */
  ghost(ghost: { handle: number; key: string; size: bigint; isRepair: boolean }): void;
  data(offset: bigint, bytes: Buffer): void;
  zero(offset: bigint, length: bigint, isAllocated: boolean): void;
  same(offset: bigint, length: bigint, digest: Buffer): void;
  patch(patch: Patch): void;
  end(): void;
  /**
   * @param keys all of them were sent in this connection
   * @param isRound the container was not frozen, so this is no dump, whatever the purpose
   * @param dump the number of the dump
   */
  commit(keys: readonly string[], isRound: boolean, dump?: string): void;
  file(file: { name: string; size: bigint; mode: number }): void;
  fileData(offset: bigint, bytes: Buffer): void;
  fileEnd(digest: Buffer): void;
  seal(sealing: Sealing): Promise<void> | void;
}

/** All frames `seal` of a list together. */
export interface Sealing {
  ghosts: readonly MoveSealGhost[];
  /** Keys of ghosts that were committed, and that the checkpoint does not need. */
  gone: readonly string[];
  dump?: string | undefined;
}

interface OpenFile {
  name: string;
  size: bigint;
  at: bigint;
}

export class Reader {
  #purpose: MoveHello['purpose'] | undefined;
  #ghost: Coverage | undefined;
  #file: OpenFile | undefined;
  #handles = 0;
  readonly #keys = new Set<string>();
  readonly #files = new Set<string>();
  #committing: string[] = [];
  #sealing: MoveSealGhost[] = [];
  #gone: string[] = [];
  /** The list that has begun and not ended: the type of its frames, and how many bytes these had so far. */
  #split: { name: FrameName; bytes: number } | undefined;
  #isSealed = false;
  /** A dump was committed, and nothing was sent of a ghost since: the other files may follow. */
  #isCommitted = false;

  constructor(private readonly operations: Operations) {}

  /** False inside a ghost, a file or a list: then the sender has hung up too early. */
  get isAtRest(): boolean {
    return this.#purpose !== undefined && !this.#ghost && !this.#file && !this.#split;
  }

  /** @throws MOVE_STREAM, and what the operation throws. After that the reader is of no use. */
  take({ type, payload }: Pick<Frame, 'type' | 'payload'>): Promise<void> | undefined {
    const name = frameName(type);
    const read = name === undefined ? undefined : readers[name];
    if (!name || !read) throw streamError(`a sender sends no frames of type ${type}`);
    if (payload.length < read.least || payload.length > (read.most ?? payload.length))
      throw streamError(
        `a frame ${name} of ${payload.length} bytes is too ${payload.length < read.least ? 'short' : 'long'}`,
      );
    this.#assertExpected(name, read.purpose);
    return this[read.take](payload, name) ?? undefined;
  }

  #assertExpected(name: FrameName, purpose: Purpose): void {
    const unexpected = (when: string) => streamError(`a frame ${name} was not expected ${when}`);
    if (name === 'alive') return;
    if ((name === 'hello') !== (this.#purpose === undefined)) throw unexpected('here: `hello` begins');
    if (this.#isSealed) throw unexpected('after `seal`');
    if (!this.#isOfPurpose(purpose)) throw unexpected(`with purpose ${this.#purpose}`);
    if (this.#split && name !== this.#split.name) throw unexpected('inside a list');
  }

  /**
   * May a frame of this purpose come now? After a file no ghost may come: older files beside newer ghosts
   * would be a state that there never was.
   */
  #isOfPurpose(purpose: Purpose): boolean {
    const mayBeFiles = this.#purpose === 'images' || (this.#purpose === 'dump' && this.#isCommitted);
    if (purpose === 'images') return mayBeFiles;
    return purpose === 'any' || (this.#purpose !== 'images' && this.#files.size === 0);
  }

  hello(payload: Buffer): Promise<void> | void {
    const hello = decodeMessage<MoveHello>('MoveHello', payload, 'hello');
    this.#purpose = hello.purpose;
    return this.operations.hello(hello);
  }

  ghost(payload: Buffer): void {
    if (this.#ghost) throw streamError('a ghost begins inside another');
    const handle = handleAt(payload);
    const size = payload.readBigUInt64LE(8);
    const key = payload.toString('latin1', 16);
    if (!keyPattern.test(key)) throw streamError(`${JSON.stringify(key)} is no key of a ghost`);
    if (handle !== this.#handles)
      throw streamError(`handle ${handle} came where ${this.#handles} was to come`);
    if (handle === most) throw streamError(`more than ${most} ghosts are not accepted`);
    if (size > largestSize) throw streamError(`no file has ${size} bytes`);
    const isRepair = this.#keys.has(key);
    this.#handles += 1;
    this.#keys.add(key);
    this.#ghost = new Coverage(handle, size, isRepair);
    this.#isCommitted = false;
    this.operations.ghost({ handle, key, size, isRepair });
  }

  data(payload: Buffer): void {
    const offset = payload.readBigUInt64LE(8);
    const bytes = payload.subarray(16);
    this.#open(payload).add(offset, BigInt(bytes.length));
    this.operations.data(offset, bytes);
  }

  zero(payload: Buffer, name: FrameName): void {
    const [offset, length] = [payload.readBigUInt64LE(8), payload.readBigUInt64LE(16)];
    this.#open(payload).add(offset, length);
    this.operations.zero(offset, length, name === 'unwritten');
  }

  same(payload: Buffer): void {
    const [offset, length] = [payload.readBigUInt64LE(8), payload.readBigUInt64LE(16)];
    this.#open(payload).addSame(offset, length);
    this.operations.same(offset, length, payload.subarray(24));
  }

  patch(payload: Buffer): void {
    this.#open(payload).addSame(payload.readBigUInt64LE(8), payload.readBigUInt64LE(16));
    this.operations.patch(decodePatch(payload));
  }

  end(payload: Buffer): void {
    this.#open(payload).end(payload.readBigUInt64LE(8));
    this.#ghost = undefined;
    this.operations.end();
  }

  commit(payload: Buffer): void {
    if (this.#ghost) throw streamError('a commit came inside a ghost');
    // A second commit would remove ghosts of the dump, and these may be the only copies.
    if (this.#purpose === 'dump' && this.#isCommitted)
      throw streamError('a commit came after that of the dump, without a ghost between them');
    const { keys, more, round = false, dump } = decodeMessage<MoveCommit>('MoveCommit', payload, 'commit');
    const all = this.#committing;
    for (const key of keys) all.push(key);
    this.#goOn('commit', payload, more);
    if (all.length > most) throw streamError(`more than ${most} ghosts are not accepted`);
    if (more) return;
    this.#committing = [];
    const unsent = all.find(key => !this.#keys.has(key));
    if (unsent !== undefined) throw streamError(`ghost ${unsent} is committed and was not sent`);
    if (new Set(all).size < all.length) throw streamError('a ghost is committed twice');
    this.#isCommitted = !round;
    this.operations.commit(all, round, dump);
  }

  file(payload: Buffer): void {
    if (this.#file) throw streamError('a file begins inside another');
    const { name, size, mode } = decodeMessage<MoveFile>('MoveFile', payload, 'file');
    if (!isFileName(name)) throw streamError(`${JSON.stringify(name)} is no name of a file of a checkpoint`);
    if (this.#files.has(name)) throw streamError(`${name} is sent twice`);
    if (this.#files.size === most) throw streamError(`more than ${most} files are not accepted`);
    this.#files.add(name);
    this.#file = { name, size: BigInt(size), at: 0n };
    if (this.#file.size > largestSize) throw streamError(`no file has ${size} bytes`);
    this.operations.file({ name, size: this.#file.size, mode });
  }

  fileData(payload: Buffer): void {
    const file = this.#openFile();
    const offset = payload.readBigUInt64LE(0);
    const bytes = payload.subarray(8);
    if (offset !== file.at)
      throw streamError(`${file.name} goes on at ${offset}, and it has ${file.at} bytes`);
    file.at += BigInt(bytes.length);
    if (file.at > file.size) throw streamError(`${file.name} has more than ${file.size} bytes`);
    this.operations.fileData(offset, bytes);
  }

  fileEnd(payload: Buffer): void {
    const file = this.#openFile();
    if (file.at !== file.size) throw streamError(`${file.name} ends at ${file.at} of ${file.size} bytes`);
    this.#file = undefined;
    this.operations.fileEnd(payload);
  }

  seal(payload: Buffer): Promise<void> | void {
    if (this.#file) throw streamError('a seal came inside a file');
    const { ghosts, gone = [], more, dump } = decodeMessage<MoveSeal>('MoveSeal', payload, 'seal');
    const all = this.#sealing;
    for (const ghost of ghosts) all.push(ghost);
    for (const key of gone) this.#gone.push(key);
    this.#goOn('seal', payload, more);
    if (all.length + this.#gone.length > most) throw streamError(`more than ${most} ghosts are not accepted`);
    if (more) return;
    for (const field of ['key', 'image'] as const)
      if (new Set(all.map(ghost => ghost[field])).size < all.length)
        throw streamError(`two ghosts have the same ${field}`);
    const sent = all.find(({ image }) => this.#files.has(image));
    if (sent) throw streamError(`${sent.image} was sent as a file`);
    this.#isSealed = true;
    return this.operations.seal({ ghosts: all, gone: this.#gone, dump });
  }

  /** Notes a frame of a list, and whether more will come. A list without an end would fill the memory. */
  #goOn(name: FrameName, { length }: Buffer, more = false): void {
    const bytes = (this.#split?.bytes ?? 0) + length;
    if (bytes > longestList)
      throw streamError(`a list ${name} of more than ${longestList} bytes is too long`);
    this.#split = more ? { name, bytes } : undefined;
  }

  alive(): void {}

  #open(payload: Buffer): Coverage {
    const handle = handleAt(payload);
    if (this.#ghost?.handle === handle) return this.#ghost;
    throw streamError(`a frame is about ghost ${handle}, which is not open`);
  }

  #openFile(): OpenFile {
    if (this.#file) return this.#file;
    throw streamError('a frame is about a file, and none is open');
  }
}

type Purpose = 'any' | 'content' | 'images';
type Taker =
  | 'hello'
  | 'ghost'
  | 'data'
  | 'zero'
  | 'same'
  | 'patch'
  | 'end'
  | 'commit'
  | 'file'
  | 'fileData'
  | 'fileEnd'
  | 'seal'
  | 'alive';

/** The frames that a sender sends: how long the payload may be, and who takes it. */
const readers: Partial<Record<FrameName, { least: number; most?: number; purpose: Purpose; take: Taker }>> = {
  hello: { least: 2, most: shortMessage, purpose: 'any', take: 'hello' },
  ghost: { least: 17, most: 16 + longestKey, purpose: 'content', take: 'ghost' },
  data: { least: 17, purpose: 'content', take: 'data' },
  zero: { least: 24, most: 24, purpose: 'content', take: 'zero' },
  unwritten: { least: 24, most: 24, purpose: 'content', take: 'zero' },
  same: { least: 56, most: 56, purpose: 'content', take: 'same' },
  patch: { least: patchHeadBytes, purpose: 'content', take: 'patch' },
  end: { least: 16, most: 16, purpose: 'content', take: 'end' },
  commit: { least: 2, purpose: 'content', take: 'commit' },
  file: { least: 2, most: shortMessage, purpose: 'images', take: 'file' },
  'file-data': { least: 9, purpose: 'images', take: 'fileData' },
  'file-end': { least: 32, most: 32, purpose: 'images', take: 'fileEnd' },
  seal: { least: 2, purpose: 'images', take: 'seal' },
  alive: { least: 0, most: 0, purpose: 'any', take: 'alive' },
};

/**
 * Checks a ghost image while its bytes flow by, as gk_check does for an image in a file
 * (native/engine/image/image-read.c): the same rules, the same messages. A member of an archive cannot be
 * read twice. So the ranges of the first run of chunks are kept, where the engine walks over them again.
 */
import { magic } from '../frame.js';
import { parseChunkEntry, parseGhostEntry } from './ghost-entries.js';
import { Ranges } from './ranges.js';

/** Source: native/engine/image/format.h */
const common = 0x54564319;
const [magicsBytes, lengthBytes] = [8, 4];
const [longestGhostEntry, longestChunkEntry, shortestFiller] = [1 << 20, 128 << 10, 32 << 10];

/**
 * So many ranges take 64 MiB of memory. A file of 32 GiB in which every second block has data has as many.
 */
const mostRanges = 4_000_000;

export interface StreamReport {
  size: bigint;
  dataBytes: bigint;
  chunks: bigint;
  imageBytes: bigint;
}

type Part = 'magics' | 'ghost length' | 'ghost entry' | 'chunk length' | 'chunk entry';

export class GhostStream {
  readonly report: StreamReport;
  /**
   * The magics and the first entry, for decodeGhostHead. No more is kept of them than CRIU or we may write.
   */
  head: Buffer = Buffer.alloc(0);
  /** The first fault that was found. Nothing behind it is looked at. */
  fault: string | undefined;
  /** The fault is ours: the image has more ranges than are kept. */
  isUnchecked = false;

  #part: Part = 'magics';
  /** The bytes of the part that have come so far, and how many these are. */
  #bytes: Buffer = Buffer.alloc(magicsBytes);
  #have = 0;
  /** Raw bytes that are still to be passed over. */
  #raw = 0n;
  #chunked = true;
  /** The offsets in the image at which this part begins, and the entry that it belongs to. */
  #position = 0n;
  #entryAt = 0n;
  /** End of the last chunk in the ghost. */
  #reached = 0n;
  readonly #firstRun = new Ranges(mostRanges);
  #tooMany = false;
  #secondRun = false;
  /**
   * An index into the ranges of the first run: the first range that is not before the last chunk of the
   * second run.
   */
  #beside = 0;

  /**
   * @param imageBytes of the whole image
   * @param headBytes how much of the head is kept
   * @param onRange gets each range of data, as offset and length in the ghost
   */
  constructor(
    readonly imageBytes: bigint,
    readonly headBytes: number,
    readonly onRange: (offset: bigint, length: bigint) => void = () => {},
  ) {
    this.report = { size: 0n, dataBytes: 0n, chunks: 0n, imageBytes };
    if (imageBytes < BigInt(magicsBytes)) this.#cutShort(0n);
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.fault === undefined; ) {
      if (this.#raw > 0n) {
        const left = BigInt(bytes.length - at);
        const passed = this.#raw < left ? this.#raw : left;
        this.#raw -= passed;
        at += Number(passed);
        continue;
      }
      const taken = Math.min(this.#bytes.length - this.#have, bytes.length - at);
      this.#bytes.set(bytes.subarray(at, at + taken), this.#have);
      this.#have += taken;
      at += taken;
      while (this.#have === this.#bytes.length && this.#raw === 0n && this.fault === undefined) this.#next();
    }
  }

  /** No more bytes will come. @returns what was found wrong, with the offset in the image */
  end(): string | undefined {
    const isWhole = this.#raw === 0n && this.#part === 'chunk length' && this.#have === 0;
    if (this.fault === undefined && !isWhole) this.#cutShort(this.#entryAt);
    return this.fault;
  }

  #next(): void {
    const part = this.#part;
    const bytes = this.#bytes;
    if (part === 'magics') this.#checkMagics(bytes);
    else if (part === 'ghost length') this.#begin('ghost entry', bytes.readUInt32LE(0), longestGhostEntry);
    else if (part === 'ghost entry') this.#readGhost(bytes);
    else if (part === 'chunk length') this.#begin('chunk entry', bytes.readUInt32LE(0), longestChunkEntry);
    else this.#readChunk(bytes);
  }

  #checkMagics(bytes: Buffer): void {
    if (bytes.readUInt32LE(0) !== common) {
      this.#bad(0n, 'no CRIU image magic');
      return;
    }
    if (bytes.readUInt32LE(4) !== magic.GHOST_FILE) {
      this.#bad(4n, 'no ghost file magic');
      return;
    }
    this.head = Buffer.from(bytes);
    this.#startEntry('ghost length', BigInt(magicsBytes));
  }

  /** An entry follows at POSITION. */
  #startEntry(part: Part, position: bigint): void {
    this.#entryAt = position;
    this.#collect(part, position, lengthBytes);
    // Nothing follows behind the last chunk, so the image ends as it should.
    if (part === 'chunk length' && position === this.imageBytes) return;
    if (this.imageBytes - position < BigInt(lengthBytes)) this.#cutShort(position);
  }

  #begin(part: Part, length: number, longest: number): void {
    if (length > longest) {
      this.#bad(this.#entryAt, 'an entry is too long');
      return;
    }
    if (part === 'ghost entry') this.head = Buffer.concat([this.head, this.#bytes]);
    this.#collect(part, this.#position + BigInt(lengthBytes), length);
    if (BigInt(length) > this.imageBytes - this.#position) this.#cutShort(this.#entryAt);
  }

  #collect(part: Part, position: bigint, length: number): void {
    this.#part = part;
    this.#position = position;
    this.#bytes = Buffer.alloc(length);
    this.#have = 0;
  }

  #readGhost(bytes: Buffer): void {
    this.head = Buffer.concat([this.head, bytes]).subarray(0, this.headBytes);
    const entry = parseGhostEntry(bytes);
    if (typeof entry === 'string') {
      this.#bad(BigInt(magicsBytes), entry);
      return;
    }
    const body = this.#position + BigInt(bytes.length);
    this.#chunked = entry.chunks;
    this.report.size = entry.chunks ? entry.size : this.imageBytes - body;
    if (entry.chunks) {
      this.#startEntry('chunk length', body);
      return;
    }
    this.#raw = this.report.size;
    this.#collect('chunk length', this.imageBytes, lengthBytes);
    if (this.report.size > 0n) this.#give(0n, this.report.size);
  }

  #readChunk(bytes: Buffer): void {
    const entry = parseChunkEntry(bytes);
    if (typeof entry === 'string') {
      this.#bad(this.#entryAt, entry);
      return;
    }
    const { offset, length } = entry;
    const raw = this.#position + BigInt(bytes.length);
    const { size } = this.report;
    if (offset > size || length > size - offset) {
      this.#bad(this.#entryAt, "a chunk passes the ghost's size");
      return;
    }
    if (length > this.imageBytes - raw) {
      this.#bad(this.#entryAt, "a chunk's data is cut short");
      return;
    }
    if (length === 0n && bytes.length < shortestFiller) {
      this.#bad(this.#entryAt, 'a chunk without data');
      return;
    }
    if (length > 0n) this.#placeChunk(offset, length);
    if (this.fault !== undefined) return;
    this.#startEntry('chunk length', raw + length);
    this.#raw = length;
  }

  /** Checks where a chunk lies. Offsets ascend, but may go back once; no two chunks overlap. */
  #placeChunk(offset: bigint, length: bigint): void {
    if (offset < this.#reached) {
      if (this.#secondRun) {
        this.#bad(this.#entryAt, 'a chunk overlaps the one before it, or goes back a second time');
        return;
      }
      this.#secondRun = true;
      if (this.#tooMany) {
        this.isUnchecked = true;
        this.#bad(this.#entryAt, `more than ${mostRanges} ranges cannot be compared with the chunk`);
        return;
      }
    }
    if (!this.#secondRun) this.#tooMany ||= !this.#firstRun.add(offset, length);
    else if (this.#overlaps(offset, length)) {
      this.#bad(this.#entryAt, 'a chunk overlaps one of the first run');
      return;
    }
    this.#reached = offset + length;
    this.#give(offset, length);
  }

  #overlaps(offset: bigint, length: bigint): boolean {
    const first = this.#firstRun;
    while (this.#beside < first.count && first.end(this.#beside) <= offset) this.#beside += 1;
    return this.#beside < first.count && first.start(this.#beside) < offset + length;
  }

  #give(offset: bigint, length: bigint): void {
    if (this.#chunked) this.report.chunks += 1n;
    this.report.dataBytes += length;
    this.onRange(offset, length);
  }

  #cutShort(position: bigint): void {
    this.#bad(position, 'the image is cut short');
  }

  #bad(position: bigint, what: string): void {
    this.fault ??= `${what} at offset ${position} of the image`;
  }
}

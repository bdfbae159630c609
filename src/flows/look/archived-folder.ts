/** One folder of an archive: it keeps what is needed of it while the archive flows by. */
import { bounds } from '../../base/bounds.js';
import type { Member, MemberReader } from '../../base/host/archive.js';
import type { EngineReport, Extent } from '../../base/host/host.js';
import { headBytes } from '../../criu/ghost-file.js';
import { GhostStream, type StreamReport } from '../../criu/stream/ghost-stream.js';
import { Ranges } from '../../criu/stream/ranges.js';
import { manifestName } from '../../image/layout.js';

/** The documents that are kept whole, and how large each may be. */
const documents: Record<string, number> = {
  [manifestName]: bounds.manifest.bytes,
  'files.img': bounds.files.bytes,
  'remap-fpath.img': bounds.remaps.bytes,
  'inventory.img': bounds.inventory.bytes,
  'stats-dump': bounds.inventory.bytes,
  'ghostkeep.log': bounds.log.bytes,
};
const isGhostImage = (name: string) => /^(ghost-file|ghostkeep-linked)-[0-9a-f]+\.img$/.test(name);

/**
 * Limits how many bytes of one archive are kept. A checkpoint has each document once, and the head of each of
 * its ghosts' images takes 100 bytes.
 */
export class Room {
  #left = 24 * 1024 * 1024 + Object.values(documents).reduce((sum, bytes) => sum + bytes, 0);

  /**
   * @throws if the archive has more to keep than a checkpoint has; whoever reads the archive adds its name to
   * the message
   */
  take(bytes: number, name: string): void {
    this.#left -= bytes;
    if (this.#left < 0)
      throw new Error(
        `up to ${name} it has more and larger images than a checkpoint has; unpack it, and name the directory`,
      );
  }
}

/** Ranges of all ghosts together that are kept for `--extents`: 16 MiB of memory. */
const mostRanges = 1_000_000;

export type Crc32c = (before: number, bytes: Uint8Array) => number;

/** A file of the folder. Only a document has `content`, and only a ghost image has `checked`. */
export interface ArchivedFile {
  bytes: bigint;
  mtime: Date | undefined;
  content?: Buffer;
  checked?: Checked;
  /** The document has more bytes than documents of its kind may have, so none were kept. */
  tooLarge?: true;
}

export interface Checked {
  head: Buffer;
  report: StreamReport;
  fault: string | undefined;
  isUnchecked: boolean;
  crc32c: number;
  /** Undefined if the ranges are not in order, or if all ghosts together have too many. */
  ranges: Ranges | undefined;
}

export class ArchivedFolder {
  readonly files = new Map<string, ArchivedFile>();
  #ranges = 0;

  constructor(
    readonly crc32c: Crc32c,
    readonly room: Room,
  ) {}

  /** @param name inside this folder */
  take(name: string, { bytes, kind, mtime }: Member): MemberReader | undefined {
    if (kind === 'folder') return undefined;
    const file: ArchivedFile = { bytes, mtime };
    const most = documents[name];
    const isImage = isGhostImage(name);
    if (kind === 'other' && (most !== undefined || isImage))
      throw new Error(`${name} in it is not a regular file`);
    this.files.set(name, file);
    if (isImage) return this.#check(name, file);
    if (most === undefined) return undefined;
    if (bytes > BigInt(most)) {
      file.tooLarge = true;
      return undefined;
    }
    this.room.take(Number(bytes), name);
    return keep(file, Number(bytes));
  }

  #check(name: string, file: ArchivedFile): MemberReader {
    let ranges: Ranges | undefined = new Ranges(mostRanges);
    const stream = new GhostStream(file.bytes, headBytes, (offset, length) => {
      if (!ranges) return;
      // In an image that was dumped over an earlier one, the offsets may go back once. Ranges are only listed
      // in order, so none are listed for such an image.
      const isBehind = ranges.count > 0 && offset < ranges.end(ranges.count - 1);
      const before = ranges.count;
      if (isBehind || !ranges.add(offset, length)) ranges = undefined;
      else this.#ranges += ranges.count - before;
      if (this.#ranges > mostRanges) ranges = undefined;
    });
    let crc32c = 0;
    return {
      bytes: bytes => {
        stream.push(bytes);
        crc32c = this.crc32c(crc32c, bytes);
      },
      end: () => {
        const fault = stream.end();
        const { head, report, isUnchecked } = stream;
        this.room.take(head.length, name);
        file.checked = { head, report, fault, isUnchecked, crc32c, ranges };
      },
    };
  }
}

function keep(file: ArchivedFile, size: number): MemberReader {
  const content = Buffer.alloc(size);
  let at = 0;
  return {
    bytes: bytes => {
      content.set(bytes, at);
      at += bytes.length;
    },
    end: () => {
      file.content = content;
    },
  };
}

/** The report that the engine would have given on the same image in a file. */
export function engineReportOf({ report, crc32c }: Checked): EngineReport {
  return {
    ...report,
    unwrittenBytes: 0n,
    keptBytes: 0n,
    differingBytes: 0n,
    uncomparedBytes: 0n,
    failedOffset: 0n,
    engine: 'auto',
    fallbacks: 0,
    ways: [],
    crc32c,
    why: '',
  };
}

export function* extentsOf(ranges: Ranges): Generator<Extent> {
  for (let index = 0; index < ranges.count; index += 1) {
    const offset = ranges.start(index);
    yield { offset, length: ranges.end(index) - offset, kind: 'data' };
  }
}

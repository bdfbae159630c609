/**
 * CRIU's image framing: IMG_COMMON, the image's own magic, then entries of `u32 length, protobuf`, little
 * endian. Source: CRIU criu/include/magic.h, criu/protobuf.c. Everything read here may be hostile.
 */
import { GhostkeepError } from '../base/errors.js';

const common = 0x54564319;
/**
 * The number that images which no restore needs, like stats-dump, have in place of IMG_COMMON. An
 * inventory.img begins with its own magic number alone.
 */
const service = 0x55105940;

/**
 * The most entries that we read from an image. Each entry becomes an object in memory, however short it is,
 * so the size of the image alone does not bound the memory. An entry that CRIU writes to files.img has some
 * 100 bytes, so an image of CRIU's within our bound on its size has about this many entries at most.
 */
const mostEntries = 600_000;

export const magic = {
  FILES: 0x56303138,
  REMAP_FPATH: 0x59133954,
  GHOST_FILE: 0x52583605,
  CGROUP: 0x59383330,
  STATS: 0x57093306,
} as const;

/** Does a file that begins with these bytes look like an image of CRIU, of any kind but inventory.img? */
export const beginsAsImage = (start: Buffer) =>
  start.length === 8 && [common, service].includes(start.readUInt32LE(0));

/** Split an image into its entries; the buffers are views. @param name for messages: `files.img` */
export function splitImage(bytes: Buffer, imageMagic: number, name: string): Buffer[] {
  return [...entriesOf(bytes, imageMagic, name)];
}

/**
 * Gives the entries one after the other. A view takes some 200 bytes, so a caller with a large image should
 * not keep them all.
 */
export function* entriesOf(bytes: Buffer, imageMagic: number, name: string): Generator<Buffer> {
  for (const { start, end } of entryPlaces(bytes, imageMagic, name)) yield bytes.subarray(start, end);
}

/** Where each entry lies in the image. */
export function* entryPlaces(
  bytes: Buffer,
  imageMagic: number,
  name: string,
): Generator<{ start: number; end: number }> {
  const first = imageMagic === magic.STATS ? service : common;
  if (bytes.length < 8 || bytes.readUInt32LE(0) !== first || bytes.readUInt32LE(4) !== imageMagic) {
    throw broken(name, 'its magic numbers are not those of this kind of CRIU image');
  }
  let at = 8;
  for (let count = 0; at < bytes.length; count += 1) {
    if (count === mostEntries) throw broken(name, `it has more than ${mostEntries} entries`);
    if (at + 4 > bytes.length) throw broken(name, `it ends inside a length at ${at}`);
    const start = at + 4;
    const end = start + bytes.readUInt32LE(at);
    if (end > bytes.length)
      throw broken(name, `the entry at ${at} ends at ${end}, the file at ${bytes.length}`);
    yield { start, end };
    at = end;
  }
}

export function joinImage(imageMagic: number, entries: readonly Uint8Array[]): Buffer {
  const size = entries.reduce((sum, entry) => sum + 4 + entry.byteLength, 8);
  const image = new ImageWriter(imageMagic, 'an image', size, size);
  for (const entry of entries) image.append(entry);
  return image.finish();
}

/** Writes an image entry by entry, so that the entries need not all be in memory at once. */
export class ImageWriter {
  #image: Buffer;
  #size = 8;

  /**
   * @param expected size of the image in bytes; the buffer grows where that is too little
   * @param most bytes; a larger image is refused
   */
  constructor(
    imageMagic: number,
    readonly name: string,
    expected: number,
    readonly most: number,
  ) {
    this.#image = Buffer.alloc(Math.max(expected, 8));
    this.#image.writeUInt32LE(common, 0);
    this.#image.writeUInt32LE(imageMagic, 4);
  }

  /** Appends an entry, which lies in BYTES from START to BYTESEND. */
  append(bytes: Uint8Array, start = 0, bytesEnd = bytes.byteLength): void {
    const length = bytesEnd - start;
    const end = this.#size + 4 + length;
    if (end > this.most) throw broken(this.name, `sealed it would have more than ${this.most} bytes`);
    if (end > this.#image.length) {
      const larger = Buffer.alloc(Math.min(this.most, Math.max(end, 2 * this.#image.length)));
      larger.set(this.#image);
      this.#image = larger;
    }
    this.#image.writeUInt32LE(length, this.#size);
    Buffer.prototype.copy.call(bytes, this.#image, this.#size + 4, start, bytesEnd);
    this.#size = end;
  }

  finish(): Buffer {
    return this.#image.subarray(0, this.#size);
  }
}

export function broken(name: string, reason: string): GhostkeepError {
  return new GhostkeepError('CRIU_IMAGE_INVALID', name, `cannot read ${name}: ${reason}`);
}

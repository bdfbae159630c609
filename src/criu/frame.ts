/**
 * CRIU's image framing: IMG_COMMON, the image's own magic, then entries of `u32 length, protobuf`, little
 * endian. Source: CRIU criu/include/magic.h, criu/protobuf.c. Everything read here may be hostile.
 */
import { GhostkeepError } from '../base/errors.js';

const common = 0x54564319;

/**
 * Each entry becomes an object in memory, however short it is. A real one has some 100 bytes in files.img,
 * whose size is bounded.
 */
const mostEntries = 600_000;

export const magic = {
  FILES: 0x56303138,
  REMAP_FPATH: 0x59133954,
  GHOST_FILE: 0x52583605,
  CGROUP: 0x59383330,
} as const;

/** Split an image into its entries; the buffers are views. @param name for messages: `files.img` */
export function splitImage(bytes: Buffer, imageMagic: number, name: string): Buffer[] {
  return [...entriesOf(bytes, imageMagic, name)];
}

/** The same one after another: a view takes some 200 bytes, so those of a large image are not all kept. */
export function* entriesOf(bytes: Buffer, imageMagic: number, name: string): Generator<Buffer> {
  if (bytes.length < 8 || bytes.readUInt32LE(0) !== common || bytes.readUInt32LE(4) !== imageMagic) {
    throw broken(name, 'its magic numbers are not those of this kind of CRIU image');
  }
  let at = 8;
  for (let count = 0; at < bytes.length; count += 1) {
    if (count === mostEntries) throw broken(name, `it has more than ${mostEntries} entries`);
    if (at + 4 > bytes.length) throw broken(name, `it ends inside a length at ${at}`);
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length)
      throw broken(name, `the entry at ${at} ends at ${end}, the file at ${bytes.length}`);
    yield bytes.subarray(at + 4, end);
    at = end;
  }
}

export function joinImage(imageMagic: number, entries: readonly Uint8Array[]): Buffer {
  const image = Buffer.alloc(entries.reduce((sum, entry) => sum + 4 + entry.byteLength, 8));
  image.writeUInt32LE(common, 0);
  image.writeUInt32LE(imageMagic, 4);
  let at = 8;
  for (const entry of entries) {
    image.writeUInt32LE(entry.byteLength, at);
    image.set(entry, at + 4);
    at += 4 + entry.byteLength;
  }
  return image;
}

export function broken(name: string, reason: string): GhostkeepError {
  return new GhostkeepError('CRIU_IMAGE_INVALID', name, `cannot read ${name}: ${reason}`);
}

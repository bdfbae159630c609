/**
 * CRIU's image framing: IMG_COMMON, the image's own magic, then entries of `u32 length, protobuf`, little endian.
 * Source: CRIU criu/include/magic.h, criu/protobuf.c. Everything read here may be hostile.
 */
import { GhostkeepError } from '../base/errors.js';

const common = 0x54564319;

export const magic = {
  FILES: 0x56303138,
  REMAP_FPATH: 0x59133954,
  GHOST_FILE: 0x52583605,
  CGROUP: 0x59383330,
} as const;

/** Split an image into its entries; the buffers are views. @param name for messages: `files.img` */
export function splitImage(bytes: Buffer, imageMagic: number, name: string): Buffer[] {
  if (bytes.length < 8 || bytes.readUInt32LE(0) !== common || bytes.readUInt32LE(4) !== imageMagic) {
    throw broken(name, 'its magic numbers are not those of this kind of CRIU image');
  }
  const entries: Buffer[] = [];
  let at = 8;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw broken(name, `it ends inside a length at ${at}`);
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length)
      throw broken(name, `the entry at ${at} ends at ${end}, the file at ${bytes.length}`);
    entries.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return entries;
}

export function joinImage(imageMagic: number, entries: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [words(common, imageMagic)];
  for (const entry of entries) parts.push(words(entry.byteLength), entry);
  return Buffer.concat(parts);
}

function words(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) out.writeUInt32LE(value, index * 4);
  return out;
}

export function broken(name: string, reason: string): GhostkeepError {
  return new GhostkeepError('CRIU_IMAGE_INVALID', name, `cannot read ${name}: ${reason}`);
}

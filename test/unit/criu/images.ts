/** CRIU's images as CRIU writes them, entry by entry. */
import { joinImage, magic } from '../../../src/criu/frame.js';
import { bytes, fixed64, message, varint, zigzag } from './wire.js';

export interface Reg {
  id: number;
  name: string | Uint8Array;
  ext?: boolean;
  mount?: number;
  /** null: as from a CRIU that leaves the mode out. */
  mode?: number | null;
  /** Fields that our schema does not know, after the others. */
  more?: Buffer;
}

/** fown (5), size (8) and mode (10) as CRIU 4.1 writes them. We do not know them and must keep them. */
export const fown = message(5, varint(1, 0), varint(2, 0), varint(3, 0), varint(4, 0));

export function regEntry({ id, name, ext, mount, mode = 0o100600, more }: Reg): Buffer {
  return Buffer.concat([
    varint(1, id),
    varint(2, 0o100002),
    varint(3, 77),
    fown,
    bytes(6, name),
    ...(mount === undefined ? [] : [zigzag(7, mount)]),
    varint(8, 4096),
    ...(ext === undefined ? [] : [varint(9, ext ? 1 : 0)]),
    ...(mode === null ? [] : [varint(10, mode)]),
    more ?? Buffer.alloc(0),
  ]);
}

export const regFile = (reg: Reg, more: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([varint(1, 1), varint(2, reg.id), bytes(3, regEntry(reg)), more]);

/** A file of another type (a pipe), with a field that this version does not know. */
export const pipeFile = (id: number) =>
  Buffer.concat([varint(1, 4), varint(2, id), message(11, varint(1, id), varint(2, 9)), fixed64(99, 5n)]);

export const filesImage = (...entries: Buffer[]) => joinImage(magic.FILES, entries);

export const remap = (orig: number, id: number, type?: number, more: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([varint(1, orig), varint(2, id), ...(type === undefined ? [] : [varint(3, type)]), more]);

export const remapsImage = (...entries: Buffer[]) => joinImage(magic.REMAP_FPATH, entries);

export const property = (name: string, value: string, more: Buffer = Buffer.alloc(0)) =>
  message(3, bytes(1, name), bytes(2, value), more);

/** CRIU's images as CRIU writes them, entry by entry. */
import { joinImage, magic } from '../../../src/criu/frame.js';
import { bytes, fixed64, message, varint, zigzag } from './wire.js';

export interface Reg {
  id: number;
  name: string | Uint8Array;
  ext?: boolean;
  mount?: number;
  /** null stands for a CRIU that leaves the mode out. */
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

/** The handle of a watched file, with the path by which CRIU watches it again. */
const handle = (field: number, path: string) => message(field, varint(1, 8), varint(2, 1), bytes(4, path));

/** An entry of files.img for which CRIU needs the file NAME. HOW tells how a process has that file. */
export function neededFile(how: string, name: string): Buffer {
  const id = varint(2, 7);
  if (how === 'opened') return regFile({ id: 7, name });
  if (how === 'watched') {
    const other = message(5, varint(2, 1), handle(7, '/etc'));
    const watch = message(5, varint(1, 7), varint(2, 9), varint(5, 47), varint(6, 1), handle(7, name));
    return Buffer.concat([varint(1, 8), id, message(13, varint(1, 7), other, watch)]);
  }
  if (how === 'marked') {
    const mark = message(6, varint(2, 1), varint(6, 47), message(7, varint(1, 9), handle(2, name)));
    return Buffer.concat([varint(1, 12), id, message(14, varint(1, 7), mark)]);
  }
  const folder = how === 'bound in /dev/shm' ? [bytes(14, '/dev/shm')] : [];
  const gone = how === 'removed' ? [varint(15, 1)] : [];
  return Buffer.concat([varint(1, 5), id, message(16, varint(1, 7), bytes(11, name), ...folder, ...gone)]);
}

export const filesImage = (...entries: Buffer[]) => joinImage(magic.FILES, entries);

export const remap = (orig: number, id: number, type?: number, more: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([varint(1, orig), varint(2, id), ...(type === undefined ? [] : [varint(3, type)]), more]);

export const remapsImage = (...entries: Buffer[]) => joinImage(magic.REMAP_FPATH, entries);

export const property = (name: string, value: string, more: Buffer = Buffer.alloc(0)) =>
  message(3, bytes(1, name), bytes(2, value), more);

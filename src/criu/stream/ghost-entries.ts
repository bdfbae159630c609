/**
 * Parses the two messages of a ghost image, with the same rules and the same words as the engine does in
 * native/engine/image/image-entries.c. The bytes may come from anybody.
 */

const [varint, fixed64, lengthDelimited, fixed32] = [0, 1, 2, 5];
const mostSize = (1n << 63n) - 1n;

export interface GhostEntry {
  chunks: boolean;
  size: bigint;
}

export interface ChunkEntry {
  offset: bigint;
  length: bigint;
}

interface Field {
  number: number;
  wire: number;
  value: bigint;
  /** The content of a length-delimited field. */
  bytes: Uint8Array;
}

/**
 * The wire types of fields 1 to 11: uid, gid, mode, dev, ino, rdev, atim, mtim, chunks, size and
 * symlnk_target.
 */
const ghostWire = [-1, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 2];
const [atim, mtim, chunks, size] = [7, 8, 9, 10];
const requiredFields = [1, 2, 3, 4, 5];
const none = new Uint8Array();

/** @returns the entry, or a text that says what is wrong with it */
export function parseGhostEntry(bytes: Uint8Array): GhostEntry | string {
  const entry: GhostEntry = { chunks: false, size: 0n };
  const seen = new Set<number>();
  for (const field of fieldsOf(bytes)) {
    if (field === undefined) return 'the ghost entry is malformed';
    const { number, wire, value } = field;
    if (number >= ghostWire.length) continue;
    if (wire !== ghostWire[number]) return 'a field of the ghost entry has the wrong type';
    seen.add(number);
    if ((number === atim || number === mtim) && !isMessage(field.bytes))
      return 'a time of the ghost entry is malformed';
    if (number === chunks) entry.chunks = value !== 0n;
    if (number === size) entry.size = value;
  }
  if (!requiredFields.every(number => seen.has(number)))
    return 'the ghost entry lacks uid, gid, mode, dev or ino';
  if (entry.chunks && !seen.has(size)) return 'the ghost entry has chunks but no size';
  if (entry.size > mostSize) return 'the ghost entry has an impossible size';
  return entry;
}

/** @returns the entry, or a text that says what is wrong with it */
export function parseChunkEntry(bytes: Uint8Array): ChunkEntry | string {
  let [length, offset]: (bigint | undefined)[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field === undefined) return "a chunk's header is malformed";
    if (field.number > 2) continue;
    if (field.wire !== varint) return 'len or off of a chunk has the wrong type';
    if (field.number === 1) length = field.value;
    else offset = field.value;
  }
  if (length === undefined || offset === undefined) return "a chunk's header lacks len or off";
  return { offset, length };
}

function isMessage(bytes: Uint8Array): boolean {
  for (const field of fieldsOf(bytes)) if (field === undefined) return false;
  return true;
}

/** All fields; undefined in place of the first that is malformed. Source: native/engine/image/protobuf.c */
function* fieldsOf(bytes: Uint8Array): Generator<Field | undefined> {
  const at = { position: 0 };
  while (at.position < bytes.length) {
    const tag = readVarint(bytes, at);
    const number = tag === undefined ? 0n : tag >> 3n;
    const field = tag === undefined ? undefined : readValue(bytes, at, number, Number(tag & 7n));
    yield field;
    if (!field) return;
  }
}

function readValue(
  bytes: Uint8Array,
  at: { position: number },
  number: bigint,
  wire: number,
): Field | undefined {
  // A tag has 32 bits, and three of them are the wire type.
  if (number === 0n || number >> 29n !== 0n) return undefined;
  const field: Field = { number: Number(number), wire, value: 0n, bytes: none };
  if (wire === varint) {
    const value = readVarint(bytes, at);
    return value === undefined ? undefined : { ...field, value };
  }
  const length =
    wire === fixed64
      ? 8n
      : wire === fixed32
        ? 4n
        : wire === lengthDelimited
          ? readVarint(bytes, at)
          : undefined;
  if (length === undefined || length > BigInt(bytes.length - at.position)) return undefined;
  field.bytes = bytes.subarray(at.position, at.position + Number(length));
  at.position += Number(length);
  return field;
}

function readVarint(bytes: Uint8Array, at: { position: number }): bigint | undefined {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes[at.position];
    if (byte === undefined) return undefined;
    at.position += 1;
    // The tenth byte has room for one bit.
    if (shift === 63n && byte > 1) return undefined;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return undefined;
}

/** Writes protobuf's wire format by hand, for fields that CRIU may write and our schema does not know. */

export const varint = (field: number, value: number | bigint) =>
  Buffer.concat([base128(BigInt(field) << 3n), base128(BigInt(value))]);
export const bytes = (field: number, value: Uint8Array | string) => {
  const content = Buffer.from(value as string);
  return Buffer.concat([base128((BigInt(field) << 3n) | 2n), base128(BigInt(content.length)), content]);
};
export const fixed32 = (field: number, value: number) => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return Buffer.concat([base128((BigInt(field) << 3n) | 5n), out]);
};
export const fixed64 = (field: number, value: bigint) => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(value);
  return Buffer.concat([base128((BigInt(field) << 3n) | 1n), out]);
};
/** Only the tag and the length of a field; its bytes follow. */
export const lengthOf = (field: number, length: number) =>
  Buffer.concat([base128((BigInt(field) << 3n) | 2n), base128(BigInt(length))]);
export const message = (field: number, ...parts: Uint8Array[]) => bytes(field, Buffer.concat(parts));
/** A sint32, as CRIU writes mnt_id. */
export const zigzag = (field: number, value: number) => varint(field, BigInt((value << 1) ^ (value >> 31)));

function base128(value: bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    out.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(out);
}

/**
 * Streams of a sender, made in code, and the answers of a receiver, taken apart. The sum and the frames are
 * written here once more, from src/move/PROTOCOL.md, so that two readings of it are compared.
 */
import assert from 'node:assert/strict';

const table = Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

export function crc32c(...parts: readonly Uint8Array[]): number {
  let state = 0xffffffff;
  for (const part of parts)
    for (const byte of part) state = (table[(state ^ byte) & 0xff] as number) ^ (state >>> 8);
  return (state ^ 0xffffffff) >>> 0;
}

export const types = {
  hello: 1,
  ghost: 2,
  data: 3,
  zero: 4,
  unwritten: 5,
  same: 6,
  end: 7,
  commit: 8,
  file: 9,
  'file-data': 10,
  'file-end': 11,
  seal: 12,
  patch: 13,
  welcome: 65,
  ack: 66,
  need: 67,
  committed: 68,
  sealed: 69,
  fail: 70,
  alive: 127,
};
export type Name = keyof typeof types;

export const greeting = Buffer.from('ghostkeep-move2\n');

export function frame(type: Name | number, sequence: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(typeof type === 'number' ? type : types[type], 0);
  head.writeUInt32LE(payload.length, 4);
  head.writeUInt32LE(sequence, 8);
  head.writeUInt32LE(crc32c(head.subarray(0, 12), payload), 12);
  return Buffer.concat([head, payload]);
}

/** Numbers of a payload: 32 bits for a number, 64 for a bigint. */
export function numbers(...values: readonly (number | bigint)[]): Buffer {
  return Buffer.concat(
    values.map(value => {
      const bytes = Buffer.alloc(typeof value === 'bigint' ? 8 : 4);
      if (typeof value === 'bigint') bytes.writeBigUInt64LE(value);
      else bytes.writeUInt32LE(value);
      return bytes;
    }),
  );
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** Payloads of the frames of a sender. */
export const payloads = {
  hello: (purpose: string) => json({ purpose, build: 'a test' }),
  ghost: (handle: number, size: bigint, key: string) =>
    Buffer.concat([numbers(handle, 0, size), Buffer.from(key)]),
  data: (handle: number, offset: bigint, bytes: Uint8Array) =>
    Buffer.concat([numbers(handle, 0, offset), bytes]),
  zero: (handle: number, offset: bigint, length: bigint) => numbers(handle, 0, offset, length),
  same: (handle: number, offset: bigint, length: bigint, digest: Uint8Array) =>
    Buffer.concat([numbers(handle, 0, offset, length), digest]),
  /** @param runs the first page of each run, and how many pages it has */
  patch: (
    handle: number,
    offset: bigint,
    length: bigint,
    digest: Uint8Array,
    runs: readonly (readonly [number, number])[],
    bytes: Uint8Array,
  ) =>
    Buffer.concat([
      numbers(handle, 0, offset, length),
      digest,
      numbers(runs.length, 0, ...runs.flat()),
      bytes,
    ]),
  end: (handle: number, size: bigint) => numbers(handle, 0, size),
  commit: (keys: readonly string[], more?: true) => json({ keys, ...(more ? { more } : {}) }),
  file: (name: string, size: number, mode = 0o644) => json({ name, size, mode }),
  fileData: (offset: bigint, bytes: Uint8Array) => Buffer.concat([numbers(offset), bytes]),
  seal: (ghosts: readonly object[], others: object = {}) => json({ ghosts, ...others }),
};

/** The stream of one connection. */
export class Stream {
  readonly parts: Buffer[] = [greeting];
  #sequence = 0;
  #handle = 0;

  /** @returns the number of the frame */
  add(type: Name | number, payload: Uint8Array): number {
    this.parts.push(frame(type, this.#sequence, payload));
    return this.#sequence++;
  }

  hello(purpose: string): this {
    this.add('hello', payloads.hello(purpose));
    return this;
  }

  /** A ghost with all its content as data. @returns its handle */
  ghost(key: string, content: Buffer, frameBytes = 1 << 20): number {
    const [handle, size] = [this.#handle++, BigInt(content.length)];
    this.add('ghost', payloads.ghost(handle, size, key));
    for (let at = 0; at < content.length; at += frameBytes)
      this.add('data', payloads.data(handle, BigInt(at), content.subarray(at, at + frameBytes)));
    this.add('end', payloads.end(handle, size));
    return handle;
  }

  nextHandle(): number {
    return this.#handle++;
  }

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}

export interface Answer {
  type: Name;
  payload: Buffer;
  /** Undefined where the payload of the frame is not JSON. */
  message?: Record<string, unknown>;
}

/** The answers of a receiver, without `alive`. Heads, numbers and sums are checked. */
export function parseAnswers(bytes: Buffer): Answer[] {
  if (bytes.length === 0) return [];
  assert.deepEqual(bytes.subarray(0, 16), greeting);
  const answers: Answer[] = [];
  for (let at = 16, sequence = 0; at < bytes.length; sequence += 1) {
    const length = bytes.readUInt32LE(at + 4);
    const payload = bytes.subarray(at + 16, at + 16 + length);
    assert.equal(bytes.readUInt32LE(at + 8), sequence, 'the number of a frame');
    assert.equal(bytes.readUInt32LE(at + 12), crc32c(bytes.subarray(at, at + 12), payload));
    const [type] = Object.entries(types).find(([, value]) => value === bytes.readUInt32LE(at)) ?? [];
    assert.ok(type, `type ${bytes.readUInt32LE(at)}`);
    const isJson = ['welcome', 'committed', 'sealed', 'fail'].includes(type);
    if (type !== 'alive')
      answers.push({
        type: type as Name,
        payload,
        ...(isJson ? { message: JSON.parse(payload.toString('utf8')) } : {}),
      });
    at += 16 + length;
  }
  return answers;
}

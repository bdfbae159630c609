/** The frames between a sender and a receiver: PROTOCOL.md. Heads and sums are the engine's (move/link.c). */
import { GhostkeepError } from '../base/errors.js';

export const greetingBytes = 16;
export const greeting = Buffer.from('ghostkeep-move2\n');
export const blockBytes = 16384n;
export const mostSame = 16n << 20n;
/** No file is larger than this. Source: MAX_LFS_FILESIZE */
export const largestSize = (1n << 63n) - 1n;

export const frameTypes = {
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
} as const;

export type FrameName = keyof typeof frameTypes;

const names = new Map(Object.entries(frameTypes).map(([name, type]) => [type as number, name as FrameName]));

export const frameName = (type: number): FrameName | undefined => names.get(type);

/** @throws MOVE_STREAM */
export function streamError(reason: string): GhostkeepError {
  return new GhostkeepError(
    'MOVE_STREAM',
    'stream',
    `cannot go on with this stream: ${reason}; the sender can connect again, and what was acknowledged stays`,
  );
}

/** The handle at the beginning of a payload. Four bytes of zero must follow it. */
export function handleAt(payload: Buffer): number {
  if (payload.readUInt32LE(4) !== 0) throw streamError('a handle is not followed by zero');
  return payload.readUInt32LE(0);
}

export function encodeAck(sequence: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32LE(sequence);
  return payload;
}

export function encodeNeed(handle: number, offset: bigint, length: bigint): Buffer {
  const payload = Buffer.alloc(24);
  payload.writeUInt32LE(handle);
  payload.writeBigUInt64LE(offset, 8);
  payload.writeBigUInt64LE(length, 16);
  return payload;
}

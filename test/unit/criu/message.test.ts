import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as generated from '../../../src/criu/generated/images_pb.js';
import { decode, encode, type MessageType } from '../../../src/criu/message.js';
import { fileEntry, ghostFileEntry, remapFilePathEntry } from '../../../src/criu/messages.js';
import { ghostkeepError } from '../expect.js';
import { bytes, fixed32, fixed64, lengthOf, message, varint } from './wire.js';

/** Each of our tables, and the description that protoc has made from images.proto. */
const pairs = [
  [fileEntry, generated.FileEntrySchema],
  [remapFilePathEntry, generated.RemapFilePathEntrySchema],
  [ghostFileEntry, generated.GhostFileEntrySchema],
] as const satisfies [MessageType<never>, DescMessage][];

/** A pseudorandom sequence that is the same in each run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return sides => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** A message as the description has it, in any order, with repeated fields and fields that nobody knows. */
function makeMessage(desc: DescMessage, roll: (sides: number) => number): Buffer {
  const known = desc.fields.flatMap(field => {
    const isWanted = field.proto.label === 2 || roll(2) === 0;
    const times = isWanted ? 1 + (roll(4) === 0 ? 1 : 0) : 0;
    return Array.from({ length: times }, () => makeField(field, roll));
  });
  const more = Array.from({ length: roll(4) }, () => {
    const no = 20 + roll(5000);
    const makers = [varint, (at: number) => fixed32(at, roll(99)), (at: number) => fixed64(at, 7n), bytes];
    return (makers[roll(4)] as (no: number, value: never) => Buffer)(no, String(roll(1000)) as never);
  });
  const parts = [...known, ...more];
  for (let at = parts.length - 1; at > 0; at -= 1) {
    const other = roll(at + 1);
    [parts[at], parts[other]] = [parts[other] as Buffer, parts[at] as Buffer];
  }
  return Buffer.concat(parts);
}

function makeField(field: DescMessage['fields'][number], roll: (sides: number) => number): Buffer {
  if (field.fieldKind === 'message') return message(field.number, makeMessage(field.message, roll));
  const isBytes = field.fieldKind === 'scalar' && field.scalar === 12;
  if (isBytes) return bytes(field.number, Buffer.from([roll(256), roll(256), 0xff]));
  const sizes = [2n, 1n << 7n, 1n << 32n, 1n << 63n];
  return varint(field.number, BigInt(roll(2 ** 31)) % (sizes[roll(4)] as bigint));
}

describe('messages of CRIU', () => {
  it("when 4,000 random messages of CRIU are decoded and encoded, the bytes are those of protoc's generated code", () => {
    const roll = dice(4711);
    for (let n = 0; n < 4000; n += 1) {
      const [type, desc] = pairs[n % pairs.length] as (typeof pairs)[number];
      const given = makeMessage(desc, roll);
      const theirs = toBinary(desc, fromBinary(desc, given));
      const ours = encode(
        type as MessageType<object>,
        decode<object>(type as MessageType<object>, given, 'x'),
      );
      assert.ok(Buffer.from(theirs).equals(ours), `${desc.name} ${given.toString('hex')}`);
    }
  });

  it('when our tables of messages are compared with images.proto, they have the same fields', () => {
    type Table = { fields: readonly { no: number; name: string; kind: string | Table; required?: true }[] };
    const compare = (type: Table, desc: DescMessage) => {
      assert.deepEqual(
        type.fields.map(({ no, name, required }) => [no, name, required === true]),
        desc.fields.map(({ number, localName, proto }) => [number, localName, proto.label === 2]),
      );
      for (const [at, { kind }] of type.fields.entries()) {
        const field = desc.fields[at];
        if (field?.fieldKind === 'message') compare(kind as Table, field.message);
      }
    };
    for (const [type, desc] of pairs) compare(type as unknown as Table, desc);
  });

  const whole = Buffer.concat([varint(1, 1), varint(2, 9), message(3, varint(10, 5))]);
  const reg = Buffer.concat([varint(1, 1), varint(2, 2), varint(3, 3), bytes(6, 'name')]);
  const bad = {
    'a field of another wire type': Buffer.concat([bytes(1, ''), varint(2, 9)]),
    'a missing field': varint(2, 9),
    'a missing field of a field': Buffer.concat([varint(1, 1), varint(2, 9), message(3, varint(1, 1))]),
    'a field that is longer than the entry': Buffer.concat([
      varint(1, 1),
      varint(2, 9),
      lengthOf(3, 1 << 30),
    ]),
    'a field that ends after what it is in': Buffer.concat([
      ...[varint(1, 1), varint(2, 9), lengthOf(3, reg.length - 1), reg],
    ]),
    'an unknown field that is cut off': Buffer.concat([varint(1, 1), varint(2, 9), lengthOf(77, 4)]),
  };
  for (const [what, given] of Object.entries(bad))
    it(`when an entry has ${what}, it is refused with the name of the image`, () => {
      assert.throws(
        () => decode(fileEntry, given, 'files.img'),
        ghostkeepError('CRIU_IMAGE_INVALID', 'files.img'),
      );
    });

  it('when an entry is cut off in the middle of a field, it is refused', () => {
    for (let length = whole.length - 1; length > 4; length -= 1)
      assert.throws(() => decode(fileEntry, whole.subarray(0, length), 'files.img'), {
        code: 'CRIU_IMAGE_INVALID',
      });
  });
});

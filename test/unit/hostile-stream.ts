/** Streams that a hostile sender might make: good ones, changed at random with the wire format in mind. */
import { contentDigest } from './content-digest.js';
import { frame, greeting, type Name, payloads, types } from './move-stream.js';

export type Sent = [type: number, payload: Buffer];
type Random = (below: number) => number;

const key = (index: number) => `fd00-${index.toString(16)}-0`;
const block = 16384;
const contents: Buffer[] = [Buffer.alloc(3 * block, 1), Buffer.alloc(block + 5, 2), Buffer.alloc(0)];
const digests = new Map(contents.map(content => [content, contentDigest(content)]));

const evilNumbers = [
  0n,
  1n,
  16383n,
  16384n,
  1n << 32n,
  (1n << 32n) - 1n,
  1n << 60n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
  (1n << 64n) - 16384n,
];
const evilNames = [
  '../escaped',
  '/tmp/escaped',
  '..',
  '.',
  'ghostkeep',
  'ghostkeep/receiver.json',
  'receiver.json',
  'moved-1-2-3.data',
  'a/../../b',
  'a\0b',
  'inventory.img',
  'ghostkeep-manifest.json',
  '__proto__',
  'x'.repeat(300),
  '\u202e',
  '',
];
const evilTexts = [
  '{}',
  '[]',
  'null',
  '{"keys":{}}',
  `${'['.repeat(20_000)}`,
  `{"keys":[${'"1-2-3",'.repeat(2000)}"1-2-3"]}`,
  '{"__proto__":{"keys":[]}}',
  '{"name":"a","size":1e400,"mode":0}',
  '{"name":"a","size":"99999999999999999999999","mode":0}',
  '{"name":"a","size":-1,"mode":0}',
  '{"name":"a","size":0,"mode":4095}',
  '\ufeff{}',
];

/** A patch of the first page, or of a page that need not be there, with bytes that need not be those. */
function patch(handle: number, content: Buffer, random: Random): Buffer {
  const [first, count] = random(2) ? [0, 1] : [random(8), random(4)];
  const bytes = content.subarray(first * 4096, (first + count) * 4096);
  return payloads.patch(
    handle,
    0n,
    BigInt(content.length),
    Buffer.alloc(32, random(3)),
    [[first, count]],
    bytes,
  );
}

function good(random: Random): Sent[] {
  const sent: [Name, Buffer][] = [];
  if (random(2)) {
    sent.push(['hello', payloads.hello(random(2) ? 'round' : 'dump')]);
    const keys = new Set<string>();
    for (let handle = 0; handle < 3; handle += 1) {
      const content = contents[random(3)] as Buffer;
      const size = BigInt(content.length);
      const one = key(random(4));
      keys.add(one);
      sent.push(['ghost', payloads.ghost(handle, size, one)]);
      if (size > 0n)
        sent.push(
          random(2)
            ? ['data', payloads.data(handle, 0n, content)]
            : random(2)
              ? random(2)
                ? ['same', payloads.same(handle, 0n, size, Buffer.alloc(32, random(3)))]
                : ['patch', patch(handle, content, random)]
              : [random(2) ? 'zero' : 'unwritten', payloads.zero(handle, 0n, size)],
        );
      sent.push(['end', payloads.end(handle, size)]);
    }
    sent.push(['commit', payloads.commit([...keys].slice(random(2)), random(8) ? undefined : true)]);
  } else {
    sent.push(['hello', payloads.hello('images')]);
    for (let count = random(4); count >= 0; count -= 1) {
      const content = contents[random(3)] as Buffer;
      const name = random(4)
        ? ['core-1.img', 'files.img', 'a', 'b-c'][random(4)]
        : evilNames[random(evilNames.length)];
      sent.push(['file', payloads.file(name as string, content.length, random(0o2000))]);
      if (content.length > 0) sent.push(['file-data', payloads.fileData(0n, content)]);
      sent.push(['file-end', digests.get(content) as Buffer]);
    }
    sent.push([
      'seal',
      payloads.seal([{ key: key(0), image: 'ghost-file-1.img', header: 'AAAA' }].slice(random(2)), {
        ...(random(4) ? {} : { gone: [key(random(4))] }),
        ...(random(8) ? {} : { more: true }),
      }),
    ]);
  }
  return sent.map(([name, payload]) => [types[name], payload]);
}

/** Changes one thing in the frames. */
function mutate(sent: Sent[], random: Random): void {
  const at = random(sent.length);
  const [type, payload] = sent[at] as Sent;
  const change = (bytes: Buffer) => {
    sent[at] = [type, bytes];
  };
  switch (random(9)) {
    case 0:
      sent[at] = [random(4) ? random(14) : random(2 ** 32), payload];
      break;
    case 1:
      change(payload.subarray(0, random(payload.length + 1)));
      break;
    case 2:
      change(
        Buffer.concat([payload, Buffer.alloc(random(random(4) ? 20 : 2 ** 20), random(256))]).subarray(
          0,
          (1 << 20) + 64,
        ),
      );
      break;
    case 3: {
      const bytes = Buffer.from(payload);
      const place = 8 * random(4);
      if (bytes.length >= place + 8)
        bytes.writeBigUInt64LE(evilNumbers[random(evilNumbers.length)] as bigint, place);
      change(bytes);
      break;
    }
    case 4: {
      const bytes = Buffer.from(payload);
      for (let count = 1 + random(4); count > 0 && bytes.length > 0; count -= 1)
        bytes.writeUInt8(random(256), random(bytes.length));
      change(bytes);
      break;
    }
    case 5:
      change(Buffer.from(evilTexts[random(evilTexts.length)] as string));
      break;
    case 6:
      sent.splice(random(sent.length + 1), 0, sent[at] as Sent);
      break;
    case 7:
      sent.splice(at, 1);
      if (sent.length === 0) sent.push([random(100), Buffer.alloc(0)]);
      break;
    default:
      sent.splice(random(sent.length), 0, ...good(random).slice(random(4)));
  }
}

/** Frames whose heads are right. */
export function hostileFrames(random: Random): Sent[] {
  const sent = good(random);
  for (let count = random(4); count > 0; count -= 1) mutate(sent, random);
  return sent;
}

/** A stream, in which now and then heads, sums or the greeting are wrong, or the end is missing. */
export function hostileStream(random: Random): Buffer {
  const parts = [
    greeting,
    ...hostileFrames(random).map(([type, payload], index) => frame(type, index, payload)),
  ];
  const bytes = Buffer.concat(parts);
  if (random(4) === 0) return bytes.subarray(0, random(bytes.length));
  if (random(4) === 0) bytes.writeUInt8(random(256), random(bytes.length));
  return bytes;
}

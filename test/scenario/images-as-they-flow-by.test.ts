/**
 * An image inside an archive is checked by code of its own, as it flows by. That code must give the answer
 * that the engine gives about the same image in a file, to the letter, however the bytes are cut into pieces.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { encodeGhostHead, headBytes } from '../../src/criu/ghost-file.js';
import { GhostStream } from '../../src/criu/stream/ghost-stream.js';
import { crc32c } from '../../src/host/native/call.js';
import { randomFrom } from '../random.js';
import { bytes, varint } from '../unit/criu/wire.js';
import { flows, ghostFile, temporaryFolder } from './ghostkeep.js';

const { engine } = flows().host;
type Random = (below: number) => number;

/** An answer says what is wrong with an image, or what is in it. */
interface Answer {
  fault: string | undefined;
  crc32c: number;
  found?: [size: bigint, dataBytes: bigint, chunks: bigint];
  ranges?: [offset: bigint, length: bigint][];
}

async function inAFile(file: string, image: Buffer): Promise<Answer> {
  fs.writeFileSync(file, image);
  const fd = fs.openSync(file, 'r');
  try {
    const digest = (await engine.digest(fd)).crc32c;
    const report = await engine.check(fd).catch((error: Error) => error.message);
    // The engine adds the text of its errno, EBADMSG.
    if (typeof report === 'string') return { fault: report.replace(/: Bad message$/, ''), crc32c: digest };
    const { size, dataBytes, chunks } = report;
    const ranges = [...engine.chunks(fd)].map(({ offset, length }): [bigint, bigint] => [offset, length]);
    return { fault: undefined, crc32c: digest, found: [size, dataBytes, chunks], ranges };
  } finally {
    fs.closeSync(fd);
  }
}

function asItFlows(image: Buffer, random: Random): Answer {
  const ranges: [bigint, bigint][] = [];
  const stream = new GhostStream(BigInt(image.length), headBytes, (...range) => ranges.push(range));
  const longest = [1, 7, 600, image.length][random(4)] as number;
  let digest = 0;
  for (let at = 0; at < image.length; ) {
    const piece = image.subarray(at, at + 1 + random(Math.max(1, longest)));
    stream.push(piece);
    digest = crc32c(digest, piece);
    at += piece.length;
  }
  const fault = stream.end();
  if (fault !== undefined) return { fault, crc32c: digest };
  const { size, dataBytes, chunks } = stream.report;
  return { fault, crc32c: digest, found: [size, dataBytes, chunks], ranges };
}

const about = { uid: 1, gid: 2, mode: 0o100644, dev: 2049n, ino: 7n, atimeNs: 5_000n, mtimeNs: -7_000n };
const head = (size: bigint) => encodeGhostHead({ ...about, size });
/** An entry, with its length in front. */
const entry = (...fields: Buffer[]) => {
  const length = Buffer.alloc(4);
  const content = Buffer.concat(fields);
  length.writeUInt32LE(content.length);
  return Buffer.concat([length, content]);
};
const paddingField = 18251;
const chunk = (offset: number | bigint, length: number | bigint, data = Number(length), padding = 0) =>
  Buffer.concat([
    entry(
      varint(1, length),
      varint(2, offset),
      ...(padding > 0 ? [bytes(paddingField, Buffer.alloc(padding))] : []),
    ),
    Buffer.alloc(data, 9),
  ]);
const megabyte = 1 << 20;
const image = (...chunks: Buffer[]) => Buffer.concat([head(BigInt(megabyte)), ...chunks]);

const byHand: Record<string, Buffer> = {
  'no byte at all': Buffer.alloc(0),
  'one byte': Buffer.alloc(1),
  'the magic numbers alone': head(0n).subarray(0, 8),
  'no chunk': image(),
  'chunks that touch': image(chunk(0, 10), chunk(10, 10), chunk(4096, 5)),
  'a second run in the gaps': image(
    chunk(0, 10),
    chunk(100, 10),
    chunk(200, 10),
    chunk(10, 90),
    chunk(150, 50),
  ),
  'a second run over the first chunk': image(chunk(0, 10), chunk(100, 10), chunk(5, 2)),
  'a second run over the last chunk': image(chunk(0, 10), chunk(100, 10), chunk(20, 81)),
  'a second run around a chunk': image(chunk(50, 10), chunk(100, 10), chunk(20, 60)),
  'a second run past the first': image(chunk(100, 10), chunk(0, 100), chunk(110, 10), chunk(9000, 1)),
  'a third run': image(chunk(100, 10), chunk(50, 10), chunk(0, 10)),
  'a chunk twice': image(chunk(100, 10), chunk(100, 10)),
  'a chunk past the size': image(chunk(megabyte - 5, 10)),
  'a chunk that begins past the size': image(chunk(megabyte + 1, 1)),
  'numbers that overflow': image(chunk(16n, 0xffff_ffff_ffff_fff8n, 8)),
  'a chunk that fills the size': image(chunk(0, megabyte)),
  'data that is cut short': image(chunk(0, 100, 50)),
  'a chunk without data': image(chunk(0, 0)),
  'a filler': image(chunk(0, 0, 0, 40_000), chunk(0, 5)),
  'a filler that is too short': image(chunk(0, 0, 0, 20_000), chunk(0, 5)),
  'a filler behind all': image(chunk(0, 5), chunk(0, 0, 0, 40_000)),
  'an entry that is too long': image(chunk(0, 5, 5, 140_000)),
  'a padded chunk': image(chunk(0, 70_000, 70_000, 4_000)),
  'three bytes behind all': image(chunk(0, 5), Buffer.from([1, 0, 0])),
  'an empty entry': image(entry()),
  'a number of more than 64 bits': image(entry(Buffer.from([8, ...Array(9).fill(0xff), 2]), varint(2, 0))),
  'a field with the number 0': image(entry(varint(0, 1), varint(1, 1), varint(2, 0))),
  'a tag of more than 32 bits': image(entry(varint(2 ** 29, 1), varint(1, 1), varint(2, 0))),
  'a group': image(entry(Buffer.from([0x1b]), varint(1, 1), varint(2, 0))),
  'a length of the wrong type': image(entry(bytes(1, 'x'), varint(2, 0))),
  'a small file': Buffer.concat([head(5n), Buffer.from('hello')]),
  'an empty file': head(0n),
};

/** Images as the engine writes them: of data, of holes, in chunks and not, and one over an earlier image. */
async function dumped(t: TestContext, folder: string): Promise<Buffer[]> {
  const random = randomFrom(7);
  const images: Buffer[] = [];
  for (const [index, size] of [5, 11_000, 13_000, 300_000, 700_000].entries()) {
    const ghostFd = ghostFile(t, folder, `ghost-${index}`, Buffer.alloc(Math.min(size, 9000), 1));
    fs.ftruncateSync(ghostFd, size);
    const imageFd = fs.openSync(`${folder}/image-${index}`, 'w+');
    t.after(() => fs.closeSync(imageFd));
    const dump = async (over: boolean) => {
      const chunked = size > 12_288;
      const header = head(BigInt(size));
      await engine.dump({
        ghostFd,
        imageFd,
        engine: 'auto',
        size: BigInt(size),
        header,
        chunked,
        detectZeroes: true,
        over,
      });
      images.push(fs.readFileSync(`${folder}/image-${index}`));
    };
    await dump(false);
    for (let at = 0; at < size - 5000; at += 1 + random(90_000))
      fs.writeSync(ghostFd, Buffer.alloc(4096, 3), 0, 4096, at);
    await dump(true);
  }
  return images;
}

/** Changes a few bytes, most of them where the entries are; cuts something off, out, or puts something in. */
function damage(whole: Buffer, random: Random): Buffer {
  const at = random(3) > 0 ? random(Math.min(whole.length, 120) + 1) : random(whole.length + 1);
  const kind = random(6);
  if (kind === 0) return whole.subarray(0, at);
  if (kind === 1) return Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1 + random(9))]);
  if (kind === 2)
    return Buffer.concat([
      whole.subarray(0, at),
      Buffer.alloc(1 + random(5), random(256)),
      whole.subarray(at),
    ]);
  const changed = Buffer.from(whole);
  for (let times = 1 + random(3); times > 0 && changed.length > 0; times -= 1)
    changed[(at + random(40)) % changed.length] = random(256);
  return changed;
}

/** Chunks at random places, some of which overlap or go back. */
function scattered(random: Random): Buffer {
  const chunks: Buffer[] = [];
  for (let at = random(500), count = random(12); count > 0; count -= 1) {
    const length = 1 + random(60);
    chunks.push(chunk(at, length));
    at = random(5) === 0 ? random(700) : at + length + random(80) - (random(9) === 0 ? 5 : 0);
  }
  return image(...chunks);
}

describe('an image that flows by', () => {
  it('a ghost image in a stream gets the same answer as the same image in a file, for images of every form', async t => {
    const folder = temporaryFolder(t);
    const random = randomFrom(1);
    const all = Object.entries(byHand);
    for (const [index, one] of (await dumped(t, folder)).entries()) all.push([`dump ${index}`, one]);
    let twoRuns = 0;
    for (const [name, one] of all) {
      const wanted = await inAFile(`${folder}/image`, one);
      const { ranges = [] } = wanted;
      twoRuns += Number(ranges.some(([offset], at) => offset < (ranges[at - 1]?.[0] ?? 0n)));
      for (let times = 0; times < 4; times += 1) assert.deepEqual(asItFlows(one, random), wanted, name);
    }
    assert.ok(twoRuns > 1, 'some images have a second run');
  });

  it('a damaged image, or one of random bytes, gets the same answer in a stream as in a file', {
    timeout: 300_000,
  }, async t => {
    const folder = temporaryFolder(t);
    const whole = [...(await dumped(t, folder)), ...Object.values(byHand)];
    const faults = new Set<string>();
    let undamaged = 0;
    for (let seed = 1; seed <= Number(process.env['GHOSTKEEP_IMAGES'] ?? 800); seed += 1) {
      const random = randomFrom(seed);
      const one = seed % 4 === 0 ? scattered(random) : damage(whole[random(whole.length)] as Buffer, random);
      const wanted = await inAFile(`${folder}/image`, one);
      assert.deepEqual(asItFlows(one, random), wanted, `seed ${seed}`);
      if (wanted.fault === undefined) undamaged += 1;
      else faults.add(wanted.fault.replace(/ at offset .*/, ''));
    }
    assert.ok(undamaged > 50, `${undamaged} were whole`);
    assert.ok(faults.size >= 10, [...faults].join('\n'));
  });
});

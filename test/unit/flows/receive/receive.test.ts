import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { temporaryFolder } from '../../../scenario/ghostkeep.js';
import { smallDisk } from '../../../scenario/small-disk.js';
import { blockEntries, contentDigest } from '../../content-digest.js';
import { ghostkeepError } from '../../expect.js';
import { greeting, numbers, payloads, Stream } from '../../move-stream.js';
import { connect, type Outcome } from './connection.js';

const key = 'fd00-1a-0';
const block = 16384;
const [a, b] = [Buffer.alloc(3 * block, 0xaa), Buffer.alloc(3 * block, 0xbb)];

interface Place {
  images: string;
  /** @param onSync is called with each descriptor that is fsynced */
  send(stream: Stream | Buffer, mostBytes?: bigint, onSync?: (fd: number) => void): Promise<Outcome>;
  content(of?: string): Buffer;
}

function place(t: TestContext, parent?: string): Place {
  const scratch = temporaryFolder(t);
  const images = `${parent ?? scratch}/images`;
  return {
    images,
    send: (stream, mostBytes, onSync) =>
      connect(images, scratch, Buffer.isBuffer(stream) ? stream : stream.bytes(), mostBytes, onSync),
    content: (of = key) => fs.readFileSync(`${images}/ghostkeep/moved-${of}.data`),
  };
}

function round(content: Buffer): Stream {
  const stream = new Stream().hello('round');
  stream.ghost(key, content);
  stream.add('commit', payloads.commit([key]));
  return stream;
}

const digestOf = (content: Buffer) => contentDigest(Buffer.concat(blockEntries(content)));

/** A round that only says that the ghost is CONTENT. */
function unchanged(content: Buffer): Stream {
  const stream = new Stream().hello('round');
  const [handle, size] = [stream.nextHandle(), BigInt(content.length)];
  stream.add('ghost', payloads.ghost(handle, size, key));
  stream.add('same', payloads.same(handle, 0n, size, digestOf(content)));
  stream.add('end', payloads.end(handle, size));
  stream.add('commit', payloads.commit([key]));
  return stream;
}

const typesOf = ({ answers }: Outcome) => answers.map(({ type }) => type);
const needsOf = ({ answers }: Outcome) =>
  answers.find(({ type }) => type === 'committed')?.message?.['needs'];
/** The stream without its last frames. */
const cut = (stream: Stream, frames: number) => Buffer.concat(stream.parts.slice(0, -frames));

describe('a receiver that has a dump whose other files have not arrived', () => {
  const other = 'fd00-2b-0';
  const dump = (of: string, content: Buffer) => {
    const stream = new Stream().hello('dump');
    stream.ghost(of, content);
    stream.add('commit', payloads.commit([of]));
    return stream;
  };

  it('a receiver that waits for the files of a dump refuses ghosts of another container, and keeps the dump', async t => {
    const { images, send, content } = place(t);
    await send(dump(key, a));
    const empty = new Stream().hello('round');
    empty.add('commit', payloads.commit([]));
    for (const stream of [dump(other, b), empty]) {
      const { error } = await send(stream);
      assert.match(String(error), /it has a dump of other ghosts/);
      assert.ok(content().equals(a));
      assert.ok(!fs.existsSync(`${images}/ghostkeep/moved-${other}.data`));
      assert.match(
        fs.readFileSync(`${images}/ghostkeep/receiver.json`, 'utf8'),
        /"complete":\["fd00-1a-0"\]/,
      );
    }
  });

  it('a receiver does not take a round before the freeze for a dump', async t => {
    const { images, send } = place(t);
    const stream = new Stream().hello('dump');
    stream.ghost(key, a);
    stream.add('commit', Buffer.from(JSON.stringify({ keys: [key], round: true })));
    await send(stream);
    assert.doesNotMatch(fs.readFileSync(`${images}/ghostkeep/receiver.json`, 'utf8'), /complete/);
    assert.equal((await send(dump(other, b))).error, undefined);
  });

  it('a receiver seals no files of another dump of the same ghosts', async t => {
    const { send } = place(t);
    const [first, second] = ['1', '2'].map(digit => digit.repeat(32));
    for (const [of, content] of [
      [first, a],
      [second, b],
    ] as const) {
      const stream = new Stream().hello('dump');
      stream.ghost(key, content);
      stream.add('commit', Buffer.from(JSON.stringify({ keys: [key], dump: of })));
      assert.equal((await send(stream)).error, undefined);
    }
    const seal = async (of: string | undefined) => {
      const stream = new Stream().hello('images');
      stream.add('seal', Buffer.from(JSON.stringify({ ghosts: [], dump: of })));
      return String((await send(stream)).error);
    };
    assert.match(await seal(first), /these files are of another dump/);
    assert.match(await seal(undefined), /these files are of another dump/);
    assert.doesNotMatch(await seal(second), /another dump/);
  });

  it('a receiver that waits for the files of a dump takes the ghosts of the same container again', async t => {
    const { send, content } = place(t);
    await send(dump(key, a));
    const again = new Stream().hello('dump');
    again.ghost(other, a);
    again.ghost(key, b);
    again.add('commit', payloads.commit([other, key]));
    assert.equal((await send(again)).error, undefined);
    assert.ok(content().equals(b));
  });
});

describe('a receiver after a connection that was cut', () => {
  it('after a cut, a receiver fsyncs what the cut connection changed before it commits, even if nothing changes now', async t => {
    const { images, send } = place(t);
    await send(round(a));
    const zeroes = new Stream().hello('round');
    const [handle, size] = [zeroes.nextHandle(), BigInt(a.length)];
    zeroes.add('ghost', payloads.ghost(handle, size, key));
    zeroes.add('zero', payloads.zero(handle, 0n, size));
    zeroes.add('end', payloads.end(handle, size));
    await send(zeroes);
    zeroes.add('commit', payloads.commit([key]));
    const synced: string[] = [];
    await send(zeroes, undefined, fd => void synced.push(fs.readlinkSync(`/proc/self/fd/${fd}`)));
    assert.ok(synced.includes(fs.realpathSync(`${images}/ghostkeep/moved-${key}.data`)), synced.join());
  });
});

describe('a receiver', () => {
  it('a receiver answers a round with its id, an acknowledgement and the end', async t => {
    const { send, content } = place(t);
    const outcome = await send(round(a));
    assert.deepEqual(typesOf(outcome), ['welcome', 'ack', 'committed']);
    assert.equal(outcome.answers[1]?.payload.readUInt32LE(), 4, 'the number of the commit');
    assert.deepEqual(outcome.received, { ghosts: 1, sealed: false });
    assert.ok(content().equals(a));
    const again = await send(unchanged(a));
    assert.equal(needsOf(again), 0);
    assert.equal(again.answers[0]?.message?.['receiver'], outcome.answers[0]?.message?.['receiver']);
  });

  it('a receiver asks for blocks whose write was not acknowledged, though they may be what they were before', async t => {
    const { send, content } = place(t);
    await send(round(a));
    const lost = await send(cut(round(b), 2));
    assert.deepEqual(typesOf(lost), ['welcome', 'fail']);
    const outcome = await send(unchanged(a));
    assert.deepEqual(typesOf(outcome), ['welcome', 'need', 'ack', 'committed', 'fail']);
    assert.deepEqual(outcome.answers[1]?.payload, numbers(0, 0, 0n, BigInt(a.length)));
    assert.equal(needsOf(outcome), 1);
    await send(round(a));
    assert.ok(content().equals(a));
  });

  it('when sender and receiver both do not know a block, the receiver does not take the two for equal', async t => {
    const { send } = place(t);
    await send(round(a));
    await send(cut(round(b), 2));
    const stream = new Stream().hello('round');
    stream.add('ghost', payloads.ghost(0, BigInt(a.length), key));
    stream.add('same', payloads.same(0, 0n, BigInt(a.length), contentDigest(Buffer.alloc(3 * 32, 0xff))));
    stream.add('end', payloads.end(0, BigInt(a.length)));
    stream.add('commit', payloads.commit([key]));
    assert.equal(needsOf(await send(stream)), 1);
  });

  it('when a ghost becomes shorter or longer, or one of its blocks zero, a receiver knows what each of its blocks has now', async t => {
    const { send, content } = place(t);
    await send(round(a));
    const shorter = a.subarray(0, 20_000);
    assert.equal(needsOf(await send(unchanged(shorter))), 1, 'the last block is another than before');
    await send(round(shorter));
    assert.equal(needsOf(await send(unchanged(shorter))), 0);
    const longer = Buffer.alloc(5 * block);
    shorter.copy(longer);
    assert.equal(needsOf(await send(unchanged(longer))), 0, 'a short block counts as filled up with zeroes');
    assert.ok(content().equals(longer));
    const zeroed = Buffer.from(longer).fill(0, 0, block);
    const stream = new Stream().hello('round');
    stream.add('ghost', payloads.ghost(0, BigInt(longer.length), key));
    stream.add('zero', payloads.zero(0, 0n, BigInt(block)));
    stream.add('same', payloads.same(0, BigInt(block), BigInt(4 * block), digestOf(zeroed.subarray(block))));
    stream.add('end', payloads.end(0, BigInt(longer.length)));
    stream.add('commit', payloads.commit([key]));
    assert.equal(needsOf(await send(stream)), 0);
    assert.ok(content().equals(zeroed));
    assert.equal(needsOf(await send(unchanged(zeroed))), 0);
    assert.equal(needsOf(await send(unchanged(longer))), 1);
  });

  it('a receiver takes the pages of a patch, and asks for the range if they do not make it what the sender has', async t => {
    const { send, content } = place(t);
    await send(round(a));
    const changed = Buffer.from(a);
    changed.fill(1, 4096, 8192);
    changed.fill(2, 2 * block + 8192, 3 * block);
    const patched = (pages: Buffer[]) => {
      const stream = new Stream().hello('round');
      stream.add('ghost', payloads.ghost(stream.nextHandle(), BigInt(a.length), key));
      const runs = [
        [1, 1],
        [10, 2],
      ] as const;
      const range = [0, 0n, BigInt(a.length)] as const;
      stream.add('patch', payloads.patch(...range, digestOf(changed), runs, Buffer.concat(pages)));
      stream.add('end', payloads.end(0, BigInt(a.length)));
      stream.add('commit', payloads.commit([key]));
      return stream;
    };
    const pages = [changed.subarray(4096, 8192), changed.subarray(2 * block + 8192)];
    const wrong = await send(patched([pages[0] as Buffer, Buffer.alloc(8192)]));
    assert.deepEqual(typesOf(wrong), ['welcome', 'need', 'ack', 'committed', 'fail']);
    assert.equal(needsOf(await send(unchanged(a))), 1, 'a block that was patched wrongly is unknown');
    await send(round(a));
    assert.deepEqual(typesOf(await send(patched(pages))), ['welcome', 'ack', 'committed']);
    assert.ok(content().equals(changed));
    assert.equal(needsOf(await send(unchanged(changed))), 0);
  });

  it('a receiver takes a repair in the same connection in which it has asked for the blocks', async t => {
    const { send, content } = place(t);
    const stream = unchanged(a);
    const handle = stream.nextHandle();
    stream.add('ghost', payloads.ghost(handle, BigInt(a.length), key));
    stream.add('data', payloads.data(handle, 0n, a));
    stream.add('end', payloads.end(handle, BigInt(a.length)));
    stream.add('commit', payloads.commit([key]));
    const { answers, received } = await send(stream);
    assert.deepEqual(
      answers.map(({ type, message }) => (type === 'committed' ? message?.['needs'] : type)),
      ['welcome', 'need', 'ack', 1, 'ack', 0],
    );
    assert.equal(received?.ghosts, 1);
    assert.ok(content().equals(a));
  });

  it('a receiver acknowledges each 16 MiB', async t => {
    const { send } = place(t);
    const { answers } = await send(round(Buffer.alloc(33 << 20, 1)));
    // The first data is frame 2, and each has 1 MiB.
    assert.deepEqual(
      answers.filter(({ type }) => type === 'ack').map(({ payload }) => payload.readUInt32LE()),
      [17, 33, 36],
    );
  });

  it('when another ghost follows a dump in the same connection, the receiver no longer counts the dump as complete', async t => {
    const { send, images } = place(t);
    const complete = () =>
      (JSON.parse(fs.readFileSync(`${images}/ghostkeep/receiver.json`, 'utf8')) as { complete?: string[] })
        .complete;
    const stream = new Stream().hello('dump');
    stream.ghost(key, a);
    stream.add('commit', payloads.commit([key]));
    await send(stream);
    assert.deepEqual(complete(), [key]);
    stream.ghost(key, b);
    await send(stream);
    assert.equal(complete(), undefined);
  });

  it('a receiver removes ghosts that the sender has no more, when all others are complete', async t => {
    const { send, images } = place(t);
    const both = new Stream().hello('round');
    for (const each of [key, '1-2-3']) both.ghost(each, a);
    both.add('commit', payloads.commit([key, '1-2-3']));
    await send(both);
    await send(round(a));
    assert.deepEqual(fs.readdirSync(`${images}/ghostkeep`).sort(), [
      `moved-${key}.data`,
      `moved-${key}.table`,
      'receiver.json',
    ]);
  });

  it('a receiver makes all tables anew after a reboot, and trusts the content only', async t => {
    const { send, images, content } = place(t);
    const [first] = (await send(round(a))).answers;
    // The disk had the table of b, and the content of a.
    const table = `${images}/ghostkeep/moved-${key}.table`;
    fs.writeFileSync(table, Buffer.concat(blockEntries(b)));
    assert.equal(needsOf(await send(unchanged(b))), 0, 'the test: this table is believed');
    const receiver = `${images}/ghostkeep/receiver.json`;
    fs.writeFileSync(
      receiver,
      JSON.stringify({ ...JSON.parse(fs.readFileSync(receiver, 'utf8')), boot: 'x' }),
    );
    const outcome = await send(unchanged(b));
    assert.equal(needsOf(outcome), 1);
    assert.equal(outcome.answers[0]?.message?.['receiver'], first?.message?.['receiver']);
    assert.equal(needsOf(await send(unchanged(a))), 0);
    assert.ok(content().equals(a));
  });

  it('a receiver tells a sender of another version, an HTTP client and a CRIU that this is a receiver of ghostkeep', async t => {
    const { send } = place(t);
    const other = await send(
      Buffer.concat([Buffer.from('ghostkeep-move9\n'), cut(round(a), 0).subarray(16)]),
    );
    ghostkeepError('MOVE_VERSION', /sender speaks version 9 .* speaks version 2/)(other.error);
    assert.deepEqual(typesOf(other), ['fail']);
    ghostkeepError(
      'MOVE_VERSION',
      /no ghostkeep.*GET \/ HTTP/,
    )((await send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n'))).error);
    // CRIU: { u32 cmd = PS_IOV_OPEN2, u64 nr_pages, u64 vaddr, u64 dst_id }
    const criu = await send(numbers(4, 0n, 0n, 1n));
    ghostkeepError('MOVE_VERSION', /CRIU that looks for a page server/)(criu.error);
    assert.deepEqual(criu.answers, [], 'a CRIU does not read a greeting');
  });

  it('a receiver says when the sender has hung up before the end', async t => {
    const { send } = place(t);
    for (const bytes of [
      cut(round(a), 1),
      cut(round(a), 2),
      round(a).bytes().subarray(0, -3),
      Buffer.alloc(0),
      greeting,
    ])
      ghostkeepError('MOVE_INTERRUPTED')((await send(bytes)).error);
  });

  it('a receiver refuses frames that are damaged, repeated, left out or exchanged', async t => {
    const { send } = place(t);
    const { parts } = round(a);
    const flipped = parts.map(part => Buffer.from(part));
    flipped[3]?.writeUInt8(0xbb, 5000);
    const orders = {
      flipped,
      repeated: [...parts.slice(0, 3), ...parts.slice(2)],
      dropped: parts.toSpliced(2, 1),
      exchanged: parts.toSpliced(2, 2, parts[3] as Buffer, parts[2] as Buffer),
    };
    for (const [what, bytes] of Object.entries(orders)) {
      const outcome = await send(Buffer.concat(bytes));
      ghostkeepError('MOVE_STREAM', /wrong sum|has number/)(outcome.error);
      assert.equal(outcome.answers.at(-1)?.message?.['code'], 'MOVE_STREAM', what);
    }
  });

  it('a receiver refuses a directory that holds a checkpoint, and touches nothing there', async t => {
    const { send, images } = place(t);
    fs.mkdirSync(images);
    fs.writeFileSync(`${images}/inventory.img`, 'x');
    const outcome = await send(round(a));
    ghostkeepError('BAD_INPUT', /holds a checkpoint/)(outcome.error);
    assert.equal(outcome.answers.at(-1)?.message?.['code'], 'BAD_INPUT');
    assert.deepEqual(fs.readdirSync(images), ['inventory.img']);
    fs.renameSync(`${images}/inventory.img`, `${images}/ghostkeep-manifest.json`);
    ghostkeepError('ALREADY_SEALED')((await send(round(a))).error);
  });

  it('a receiver refuses a working folder that is a link, or that others may write to', async t => {
    const { send, images } = place(t);
    fs.mkdirSync(`${images}/elsewhere`, { recursive: true });
    fs.symlinkSync('elsewhere', `${images}/ghostkeep`);
    assert.ok((await send(round(a))).error);
    fs.rmSync(`${images}/ghostkeep`);
    fs.mkdirSync(`${images}/ghostkeep`);
    fs.chmodSync(`${images}/ghostkeep`, 0o777);
    ghostkeepError('PERMISSION')((await send(round(a))).error);
    assert.deepEqual(fs.readdirSync(`${images}/elsewhere`), []);
  });

  it('a receiver stores no more than --max-bytes, and writing over blocks takes no more', async t => {
    const { send, images } = place(t);
    const most = 4n << 20n;
    for (let time = 0; time < 3; time += 1)
      assert.equal((await send(round(Buffer.alloc(3 << 20, time + 1)), most)).error, undefined);
    const outcome = await send(round(Buffer.alloc(64 << 20, 9)), most);
    ghostkeepError('NO_SPACE', /--max-bytes/)(outcome.error);
    assert.equal(outcome.answers.at(-1)?.message?.['code'], 'NO_SPACE');
    const { blocks } = fs.statSync(`${images}/ghostkeep/moved-${key}.data`);
    assert.ok(blocks * 512 <= 6 << 20, `${blocks * 512} bytes are stored`);
    const files = new Stream().hello('images');
    files.add('file', payloads.file('core-1.img', 1 << 30));
    for (let at = 0; at < 8; at += 1)
      files.add('file-data', payloads.fileData(BigInt(at << 20), Buffer.alloc(1 << 20)));
    ghostkeepError('NO_SPACE', /--max-bytes/)((await send(files, most)).error);
  });

  it('a receiver says that the disk is full, and keeps what it has acknowledged', async t => {
    const disk = smallDisk(t, '24M');
    if (disk === undefined) return;
    const { send, content } = place(t, disk);
    await send(round(a));
    const large = new Stream().hello('round');
    large.ghost(key, a);
    large.ghost('1-2-3', Buffer.alloc(40 << 20, 1));
    const outcome = await send(large);
    ghostkeepError('NO_SPACE')(outcome.error);
    assert.equal(outcome.answers.at(-1)?.message?.['code'], 'NO_SPACE');
    assert.ok(outcome.answers.some(({ type }) => type === 'ack'));
    assert.ok(content().equals(a));
    assert.equal(needsOf(await send(unchanged(a))), 0);
  });

  it('a receiver makes a sparse ghost of 1 EiB sparse, or says that the file system has no such file', async t => {
    const { send, images } = place(t);
    const size = 1n << 60n;
    const stream = new Stream().hello('round');
    stream.add('ghost', payloads.ghost(0, size, key));
    stream.add('zero', payloads.zero(0, 0n, size - 16384n));
    stream.add('data', payloads.data(0, size - 16384n, a.subarray(0, block)));
    stream.add('end', payloads.end(0, size));
    stream.add('commit', payloads.commit([key]));
    const outcome = await send(stream);
    if (outcome.error) ghostkeepError('IO', /cannot make a ghost of|cannot write/)(outcome.error);
    else assert.equal(fs.statSync(`${images}/ghostkeep/moved-${key}.data`, { bigint: true }).size, size);
    for (const name of fs.readdirSync(`${images}/ghostkeep`))
      assert.ok(fs.statSync(`${images}/ghostkeep/${name}`).blocks * 512 < 1 << 20, name);
  });
});

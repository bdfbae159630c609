/** A seal comes to its end, whatever a power cut has left, and whatever ghosts and senders are like. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { bounds } from '../../src/base/bounds.js';
import type { Host } from '../../src/base/host/host.js';
import { readReceiver, writeReceiver } from '../../src/flows/receive/receiver-file.js';
import { linuxHost } from '../../src/host/linux.js';
import { ghostkeepError } from '../unit/expect.js';
import { connect } from '../unit/flows/receive/connection.js';
import type { Stream } from '../unit/move-stream.js';
import { command, flows, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { addFile, dumpStream, imagesStream, type Source, sourceOf } from './moved.js';

type Files = Host['files'];

/** HOST with other functions in place of some of its files'. */
function withFiles(host: Host, others: Partial<Files>): Host {
  const files = new Proxy(host.files, {
    get(target, name) {
      const value: unknown = Reflect.get(others, name) ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...host, files };
}

function setUp(t: TestContext, contents = [Buffer.alloc(2 << 20, 3)]) {
  const source = sourceOf(t, contents);
  const scratch = temporaryFolder(t, '/dev/shm');
  const images = `${scratch}/images`;
  const files = imagesStream(source.ghosts, { 'ghostkeep-manifest.json': source.manifest });
  const send = (stream: Stream, adapt?: (host: Host) => Host) =>
    connect(images, scratch, stream.bytes(), undefined, undefined, adapt);
  return { source, scratch, images, files, send };
}

async function assertSealed(images: string, { ghosts }: Source, scratch: string): Promise<void> {
  assert.equal(fs.existsSync(`${images}/ghostkeep`), false, 'the directory is not flat');
  const verified = ghostkeep(['verify', images]);
  assert.equal(verified.status, 0, verified.stdout);
  for (const { image, content } of ghosts) {
    assert.equal(fs.statSync(`${images}/${image}`).nlink, 1);
    const [from, to] = [fs.openSync(`${images}/${image}`, 'r'), fs.openSync(`${scratch}/restored`, 'w+')];
    await linuxHost().engine.restore(from, to);
    for (const fd of [from, to]) fs.closeSync(fd);
    assert.ok(fs.readFileSync(`${scratch}/restored`).equals(content), `${image} has other bytes`);
  }
}

/** The same head with a field that nobody knows. Source: protobuf's wire format, field 1000, 8500 bytes. */
function longer(header: string): string {
  const head = Buffer.from(header, 'base64');
  const field = Buffer.concat([Buffer.from([0xc2, 0x3e, 0xb4, 0x42]), Buffer.alloc(8500)]);
  head.writeUInt32LE(head.readUInt32LE(8) + field.length, 8);
  return Buffer.concat([head, field]).toString('base64');
}

/** Seen on btrfs: the folder with the new name was fsynced, and the one with the earlier name was not. */
describe('a receiver that finds a file under its earlier and its new name after a power cut', () => {
  it('when a receiver finds an image under its earlier and its new name, it takes the image as renamed', async t => {
    const { source, scratch, images, files, send } = setUp(t);
    assert.equal((await send(dumpStream(source.ghosts))).error, undefined);
    const cut = await send(files, host =>
      withFiles(host, {
        rename(from, to) {
          if (!from.endsWith('.data')) return host.files.rename(from, to);
          fs.linkSync(from, to);
          throw new Error('no power');
        },
      }),
    );
    assert.match(String(cut.error), /no power/);
    assert.match(ghostkeep(['verify', images]).stdout, /\[INCOMPLETE\]/);
    assert.equal((await send(files)).error, undefined);
    await assertSealed(images, source, scratch);
  });

  it('when a receiver finds a file of CRIU under its earlier and its new name, it takes the file as renamed', async t => {
    const { source, scratch, images, files, send } = setUp(t);
    assert.equal((await send(dumpStream(source.ghosts))).error, undefined);
    const cut = await send(files, host =>
      withFiles(host, {
        renameNew(from, to) {
          if (!from.endsWith('.json')) return host.files.renameNew(from, to);
          fs.linkSync(from, to);
          throw new Error('no power');
        },
      }),
    );
    assert.match(String(cut.error), /no power/);
    const sealed = ghostkeep(['seal', '-D', images]);
    assert.equal(sealed.status, 0, sealed.stderr);
    await assertSealed(images, source, scratch);
  });
});

describe('a receiver that seals', () => {
  it('when a ghost is mostly holes, a receiver seals it without reading the table of its blocks', t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const folder = temporaryFolder(t, '/dev/shm');
    const fd = ghostFile(t, folder, 'ghost', Buffer.from('begin'));
    fs.writeSync(fd, 'end', 2 ** 45);
    const via = [...command, 'receive', '-D', `${folder}/there`].join(' ');
    const args = ['dump', '--pid', String(process.pid), '-D', `${folder}/here`, '--via', via];
    // The table has 64 GiB. Reading all of it would take longer than the 30 s that the program has.
    const { status, stderr } = ghostkeep(args);
    assert.equal(status, 0, stderr);
    assert.equal(ghostkeep(['verify', `${folder}/there`]).status, 0);
  });

  it('when the head of an image is too long to be read, a receiver that seals keeps the content', async t => {
    const { source, scratch, images, files, send } = setUp(t);
    assert.equal((await send(dumpStream(source.ghosts))).error, undefined);
    const ghosts = source.ghosts.map(ghost => ({ ...ghost, header: longer(ghost.header) }));
    const { error } = await send(imagesStream(ghosts, { 'ghostkeep-manifest.json': source.manifest }));
    assert.match(String(error), /its head is none that ghostkeep writes/);
    assert.equal((await send(files)).error, undefined);
    await assertSealed(images, source, scratch);
  });

  it('a receiver that seals waits for the disk with a descriptor that it opened before it wrote anything', async t => {
    const many = Array.from({ length: 9 }, (_, n) => n + 1);
    const contents = [2 << 20, 5000].flatMap(size => many.map(n => Buffer.alloc(size + n, n)));
    const { source, scratch, images, files, send } = setUp(t, contents);
    assert.equal((await send(dumpStream(source.ghosts))).error, undefined);
    const written: string[] = [];
    const opened = new Map<number, number>();
    const whole: (number | undefined)[] = [];
    const sealed = await send(files, host => {
      const { store } = host.moving;
      const withOpen = withFiles(host, {
        open(path) {
          const fd = host.files.open(path);
          opened.set(fd, written.length);
          return fd;
        },
        create(path, mode) {
          written.push(path);
          return host.files.create(path, mode);
        },
      });
      const watched: typeof store = {
        ...store,
        shapeTail(fd, shape) {
          written.push('tail');
          return store.shapeTail(fd, shape);
        },
        syncDisk(fd) {
          whole.push(opened.get(fd));
          store.syncDisk(fd);
        },
      };
      return { ...withOpen, moving: { ...host.moving, store: watched } };
    });
    assert.equal(sealed.error, undefined);
    const before = written.indexOf('tail');
    assert.deepEqual(whole, [before, before, before]);
    await assertSealed(images, source, scratch);
  });

  it('when the sender hangs up after a file, the receiver fails, although the ghosts were committed', async t => {
    const { source, send } = setUp(t);
    const stream = dumpStream(source.ghosts);
    addFile(stream, 'core-1.img', Buffer.from('core'));
    const { error, received } = await send(stream);
    assert.equal(received, undefined);
    assert.throws(() => {
      throw error;
    }, ghostkeepError('MOVE_INTERRUPTED'));
  });

  it('a receiver that seals can read its own notes, however much it has noted', t => {
    const images = temporaryFolder(t);
    fs.mkdirSync(`${images}/ghostkeep`);
    const { files } = flows().host;
    const digits = (index: number) => (0xf0000000 + index).toString(16);
    const key = (index: number) =>
      ['f'.repeat(16), 'f'.repeat(16), digits(index).padStart(16, 'f')].join('-');
    const image = (index: number) => `ghostkeep-linked-${digits(index)}.img`;
    const many = Array.from({ length: 50_000 }, (_, index) => index);
    const run: [number, number] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    const receiver = {
      version: 1 as const,
      receiver: 'a'.repeat(32),
      boot: 'b'.repeat(64),
      complete: many.map(key),
      dump: 'c'.repeat(32),
      made: many.map(image),
      shaping: {
        isTailed: false,
        ghosts: many.slice(0, 64).map(index => ({
          ...{ key: key(index), image: image(index), size: Number.MAX_SAFE_INTEGER },
          header: 'A'.repeat(12_000),
          runs: Array.from({ length: 256 }, () => run),
        })),
      },
    };
    writeReceiver(files, images, receiver);
    assert.deepEqual(readReceiver(flows(), images), receiver);
    assert.ok(fs.statSync(`${images}/ghostkeep/receiver.json`).size <= bounds.receiver.bytes);
  });
});

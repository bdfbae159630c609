/** Rounds leave bases; the next dump takes them over and compares every byte with the ghost. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { readManifest } from '../../src/image/manifest.js';
import { endOfCriu, Gate } from './gate.js';
import { filesIn, flows, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const content = randomBytes(9 << 20);
const me = String(process.pid);

/** tmpfs: where blocks can be shared, a round makes no base. */
function setUp(t: TestContext) {
  const folder = temporaryFolder(t, '/dev/shm');
  const [images, bases] = [`${folder}/images`, `${folder}/bases`];
  fs.mkdirSync(images);
  return { folder, images, bases, fd: ghostFile(t, folder, 'ghost', content) };
}

function preDump(folder: string, ...more: string[]) {
  const { status, stdout, stderr } = ghostkeep(['pre-dump', '--pid', me, '-D', folder, '--json', ...more]);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as { ghosts: { done: string }[]; rounds: { bytes: number; differed: number }[] };
}

interface HowDumped {
  /** CRIU's result. */
  finish?: number;
  /** The container is not paused before: there is a warm pass, and this happens after it. */
  afterWarm?: () => void;
}

async function gateDump(t: TestContext, images: string, { finish = 0, afterWarm }: HowDumped = {}) {
  const gate = new Gate(t, 'dump', images);
  assert.match((await gate.answer())[0] ?? '', /^ready/);
  if (afterWarm) {
    assert.deepEqual(await gate.ask(`warm ${me}`), ['done']);
    afterWarm();
  }
  const keys = (await gate.ask(`checkpoint ${me}`)).slice(0, -1);
  if (finish === 0) endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
  assert.deepEqual(await gate.ask(`finish ${finish}`), ['done']);
  assert.equal(await gate.end(), 0);
}

function bytesOf(fd: number): Buffer {
  const bytes = Buffer.alloc(fs.fstatSync(fd).size);
  fs.readSync(fd, bytes, 0, bytes.length, 0);
  return bytes;
}

/** @returns how much of the image was there before */
function assertDumped(images: string, folder: string, fd: number): number | undefined {
  const { ghosts } = readManifest(flows().host.files, images);
  const ino = fs.fstatSync(fd).ino;
  const ghost = ghosts.find(each => each.ino === ino);
  assert.ok(ghost);
  const to = `${folder}/restored`;
  const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to, '--ghost', String(ghost.id)]);
  assert.equal(status, 0, stderr);
  const [name = ''] = filesIn(to);
  assert.ok(bytesOf(fd).equals(fs.readFileSync(`${to}/${name}`)), 'other bytes');
  return ghost.data?.kept as number | undefined;
}

const basesIn = (folder: string) =>
  fs.existsSync(`${folder}/ghostkeep`)
    ? fs.readdirSync(`${folder}/ghostkeep`).filter(name => name.startsWith('base-'))
    : [];

describe('a round', () => {
  it('when the gate dumps its processes afterwards, it takes the base from where it lies', async t => {
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    const { folder, images, bases, fd } = setUp(t);
    assert.deepEqual(
      preDump(bases).ghosts.map(({ done }) => done),
      ['base'],
    );
    assert.equal(basesIn(bases).length, 1);
    fs.writeSync(fd, 'changed', 4_000_000);
    await gateDump(t, images);
    const kept = assertDumped(images, folder, fd);
    assert.ok(kept !== undefined && kept > content.length - (2 << 20), `${kept} bytes were kept`);
    assert.deepEqual(basesIn(bases), []);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when it was made in the directory of the checkpoint itself, the gate finds it there', async t => {
    const { folder, images, fd } = setUp(t);
    preDump(images);
    fs.writeSync(fd, 'changed', 4_000_000);
    await gateDump(t, images);
    assert.ok((assertDumped(images, folder, fd) ?? 0) > content.length - (2 << 20));
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when another one follows, it writes only what differs, over the same base', t => {
    const { bases, fd } = setUp(t);
    preDump(bases);
    const [before] = basesIn(bases).map(name => fs.statSync(`${bases}/ghostkeep/${name}`).ino);
    fs.writeSync(fd, 'changed', 4_000_000);
    const { rounds } = preDump(bases);
    assert.ok((rounds[0]?.differed ?? 0) > 0 && (rounds[0]?.differed ?? 0) < 2 << 20);
    assert.deepEqual(
      basesIn(bases).map(name => fs.statSync(`${bases}/ghostkeep/${name}`).ino),
      [before],
    );
  });

  it('when the dump fails after it has taken the base, it gives it back, and the next one has it', async t => {
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    const { folder, images, bases, fd } = setUp(t);
    for (const place of [bases, images]) {
      preDump(place);
      await gateDump(t, images, { finish: -1 });
      assert.equal(basesIn(place).length, 1, place);
    }
    await gateDump(t, images);
    assert.ok((assertDumped(images, folder, fd) ?? 0) >= content.length);
  });

  it('when the container runs on until CRIU freezes it, the warm pass copies no ghost whose base is newer', async t => {
    const { folder, images, bases, fd } = setUp(t);
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    preDump(bases);
    const base = (place: string) =>
      fs.statSync(`${place}/ghostkeep/${fs.readdirSync(`${place}/ghostkeep`)[0]}`);
    const before = base(bases);
    await gateDump(t, images, {
      afterWarm: () => {
        assert.deepEqual([base(images).ino, base(images).mtimeMs], [before.ino, before.mtimeMs]);
        fs.writeSync(fd, 'changed', 4_000_000);
      },
    });
    assert.ok((assertDumped(images, folder, fd) ?? 0) > content.length - (2 << 20));
  });

  it('when its ghost was written to since, the warm pass writes over the base', async t => {
    const { folder, images, bases, fd } = setUp(t);
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    preDump(bases);
    fs.writeSync(fd, randomBytes(content.length), 0, content.length, 0);
    await gateDump(t, images, { afterWarm: () => assert.deepEqual(basesIn(bases), []) });
    assert.ok((assertDumped(images, folder, fd) ?? 0) >= content.length);
  });

  it('when CRIU fails after the warm pass, the base goes back', async t => {
    const { images, bases } = setUp(t);
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    preDump(bases);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    await gate.ask(`warm ${me}`);
    assert.deepEqual(basesIn(bases), []);
    await gate.ask('finish -1');
    assert.equal(await gate.end(), 0);
    assert.equal(basesIn(bases).length, 1);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when a dump without CRIU is given the base, it takes it', t => {
    const { folder, images, bases, fd } = setUp(t);
    preDump(bases);
    fs.ftruncateSync(fd, 5_000_001);
    const dump = ghostkeep(['dump', '--pid', me, '-D', images, '--base', bases, '--allow-missing']);
    assert.equal(dump.status, 0, dump.stderr);
    assert.ok((assertDumped(images, folder, fd) ?? 0) > 4_000_000);
  });
});

/**
 * Large ghosts are copied before the freeze. The dump has the content that they have at the freeze, whatever
 * happened to them since they were copied.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readManifest } from '../../src/image/manifest.js';
import { endOfCriu, Gate } from './gate.js';
import { filesIn, flows, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const content = randomBytes(9 << 20);

interface Setting {
  folder: string;
  images: string;
  fd: number;
}

/**
 * Dumps a process with a large ghost. CHANGE is called between the warm pass and the freeze. The ghost is on
 * tmpfs, because where blocks can be shared nothing is copied before the freeze.
 */
async function dumpAfter(t: TestContext, change: (setting: Setting) => void) {
  const folder = temporaryFolder(t, '/dev/shm');
  const images = `${folder}/images`;
  fs.mkdirSync(images);
  const fd = ghostFile(t, folder, 'ghost', content);
  const gate = new Gate(t, 'dump', images);
  await gate.answer();
  assert.deepEqual(await gate.ask(`warm ${process.pid}`), ['done']);
  assert.match(filesBesideLog(images).join(), /^ghostkeep\/warm-[0-9a-f]{12}-1\.img$/);
  change({ folder, images, fd });
  const keys = (await gate.ask(`checkpoint ${process.pid}`)).slice(0, -1);
  endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
  assert.deepEqual(await gate.ask('finish 0'), ['done']);
  assert.equal(await gate.end(), 0);
  assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  const { files } = flows().host;
  return { folder, images, fd, said: gate.said, ghosts: readManifest(files, images).ghosts };
}

const filesBesideLog = (images: string) => filesIn(images).filter(name => name !== 'ghostkeep.log');

/** The whole content of a file, read through its descriptor. */
function bytesOf(fd: number): Buffer {
  const bytes = Buffer.alloc(fs.fstatSync(fd).size);
  fs.readSync(fd, bytes, 0, bytes.length, 0);
  return bytes;
}

function assertRestores(images: string, folder: string, fd: number, id: number): void {
  const to = `${folder}/restored-${id}`;
  const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to, '--ghost', String(id)]);
  assert.equal(status, 0, stderr);
  const [name = ''] = filesIn(to);
  assert.ok(bytesOf(fd).equals(fs.readFileSync(`${to}/${name}`)), 'other bytes');
}

const changes: Record<string, (setting: Setting) => void> = {
  'nothing has changed': () => {},
  'a byte has changed and its time has not': ({ fd }) => {
    const { atime, mtime } = fs.fstatSync(fd);
    fs.writeSync(fd, Buffer.from([(content[5_000_000] as number) ^ 1]), 0, 1, 5_000_000);
    fs.futimesSync(fd, atime, mtime);
  },
  'all bytes have changed': ({ fd }) => fs.writeSync(fd, randomBytes(content.length), 0, content.length, 0),
  'the ghost has grown': ({ fd }) => fs.writeSync(fd, 'more', content.length + 1_000_000),
  'the ghost has shrunk': ({ fd }) => fs.ftruncateSync(fd, 5_000_001),
  'the ghost is small now': ({ fd }) => fs.ftruncateSync(fd, 20_000),
  'the ghost is empty now': ({ fd }) => fs.ftruncateSync(fd, 0),
  "the ghost's mode has changed": ({ fd }) => fs.fchmodSync(fd, 0o640),
};

describe('the warm pass', () => {
  for (const [name, change] of Object.entries(changes)) {
    it(`when ${name} since the warm pass, the dump has every byte`, async t => {
      const { images, folder, fd, ghosts } = await dumpAfter(t, change);
      assert.equal(ghosts.length, 1);
      assertRestores(images, folder, fd, ghosts[0]?.id ?? 0);
      assert.equal(ghosts[0]?.mode, fs.fstatSync(fd).mode);
      assert.deepEqual(
        filesIn(images).filter(file => file.includes('warm')),
        [],
      );
    });
  }

  it('when nothing has changed since the warm pass, nothing is written during the freeze', async t => {
    const { ghosts } = await dumpAfter(t, () => {});
    const [{ data } = {}] = ghosts;
    assert.ok(data && Number(data.imageBytes) > content.length);
    assert.equal(data.kept, data.imageBytes);
  });

  it("at the end of a checkpoint, CRIU's log and ours say how much was copied before the freeze", async t => {
    const { images, said } = await dumpAfter(t, ({ fd }) =>
      fs.writeSync(fd, randomBytes(3 << 20), 0, 3 << 20, 0),
    );
    const [, before, frozen] =
      /^note 1 ghost, 9 MiB of data: ([0-9.]+) MiB copied before the freeze, ([0-9.]+) MiB while frozen; sealed in /.exec(
        said.at(-1) ?? '',
      ) ?? [];
    assert.ok(Math.abs(Number(before) - 6) < 0.2 && Math.abs(Number(frozen) - 3) < 0.2, said.at(-1));
    assert.ok(fs.readFileSync(`${images}/ghostkeep.log`, 'utf8').includes((said.at(-1) ?? '').slice(5)));
  });

  it("while a checkpoint is made, CRIU's log has numbers", async t => {
    const { said } = await dumpAfter(t, () => {});
    const signs = said.filter(line => line.startsWith('progress '));
    assert.ok(signs.length > 0);
    for (const line of signs)
      assert.match(line, /^progress [a-z ]+: [0-9]+%, .*[0-9]+ of [0-9]+ (process|ghost)/);
  });

  it('when all bytes have changed since the warm pass, none of the warm image is kept', async t => {
    const { ghosts } = await dumpAfter(t, setting => changes['all bytes have changed']?.(setting));
    assert.ok(Number(ghosts[0]?.data?.kept ?? Number.NaN) < 100_000);
  });

  it('when a ghost has been closed since the warm pass, its warm image is removed, and a new ghost is copied', async t => {
    let other = 0;
    const { images, folder, ghosts } = await dumpAfter(t, ({ folder, fd }) => {
      other = ghostFile(t, folder, 'other', randomBytes(6 << 20));
      fs.closeSync(fd);
      fs.openSync('/dev/null', 'r');
    });
    assert.deepEqual(
      ghosts.map(({ path, data }) => [path, data?.kept]),
      [[`${folder}/other`, undefined]],
    );
    assertRestores(images, folder, other, ghosts[0]?.id ?? 0);
    assert.deepEqual(
      filesIn(images).filter(file => file.includes('warm')),
      [],
    );
  });

  it('when CRIU fails, no warm image is left', async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const images = `${folder}/images`;
    fs.mkdirSync(images);
    ghostFile(t, folder, 'ghost', content);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    await gate.ask(`warm ${process.pid}`);
    assert.deepEqual(await gate.ask('finish -1'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.deepEqual(filesBesideLog(images), []);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when CRIU ends while its helper still copies, no file is left, and the next checkpoint gets the directory', async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const images = `${folder}/images`;
    fs.mkdirSync(images);
    const fd = ghostFile(t, folder, 'ghost', content);
    // Large enough that the copy is not finished when CRIU ends.
    const large = ghostFile(t, folder, 'large', '');
    for (let at = 0; at < 1 << 28; at += content.length) fs.writeSync(large, content, 0, content.length, at);
    const old = new Gate(t, 'dump', images);
    await old.answer();
    old.say(`warm ${process.pid}`);
    while (!fs.existsSync(`${images}/ghostkeep`)) await sleep(1);
    old.hangUp();
    const gate = new Gate(t, 'dump', images);
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    assert.deepEqual(filesBesideLog(images), []);
    await gate.ask(`warm ${process.pid}`);
    fs.writeSync(fd, 'x', 4_000_000);
    const keys = (await gate.ask(`checkpoint ${process.pid}`)).slice(0, -1);
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  });
});

/** Contents of 0 to 250,000 bytes, all different. */
const smallContent = (n: number) => Buffer.alloc((n * n * 97) % 250_000, `ghost ${n} `);

describe('the warm pass of many small ghosts', () => {
  it('when some ghosts have changed before the freeze, the dump has every byte of all ghosts', async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const images = `${folder}/images`;
    fs.mkdirSync(images);
    const fds = Array.from({ length: 60 }, (_, n) => ghostFile(t, folder, `ghost-${n}`, smallContent(n)));
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    assert.deepEqual(await gate.ask(`warm ${process.pid}`), ['done']);
    assert.equal(filesBesideLog(images).filter(name => /warm-[0-9a-f]{12}-/.test(name)).length, fds.length);
    const at = (n: number) => fds[n] as number;
    const { atime, mtime } = fs.fstatSync(at(7));
    fs.writeSync(at(7), 'X', 1000);
    fs.futimesSync(at(7), atime, mtime);
    fs.ftruncateSync(at(20), 3);
    fs.writeSync(at(21), 'far away', 3_000_000);
    fs.fchmodSync(at(22), 0o640);
    fs.closeSync(at(23));
    fs.openSync('/dev/null', 'r');
    const late = ghostFile(t, folder, 'late', Buffer.from('it came last'));
    const keys = (await gate.ask(`checkpoint ${process.pid}`)).slice(0, -1);
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
    const { ghosts } = readManifest(flows().host.files, images);
    const to = `${folder}/restored`;
    assert.equal(ghostkeep(['restore', '-D', images, '--to', to]).status, 0);
    const restored = filesIn(to).map(name => fs.readFileSync(`${to}/${name}`));
    const wanted = [...fds.filter((_, n) => n !== 23), late].map(bytesOf);
    const sorted = (all: Buffer[]) => all.map(bytes => bytes.toString('latin1')).sort();
    assert.deepEqual(sorted(restored), sorted(wanted));
    const byName = new Map(ghosts.map(ghost => [ghost.path.slice(folder.length + 1), ghost]));
    assert.equal(byName.get('ghost-22')?.mode, 0o100640);
    assert.equal(byName.get('late')?.data?.kept, undefined);
    assert.equal(byName.get('ghost-30')?.data?.kept, byName.get('ghost-30')?.data?.imageBytes);
    const leftOver = filesBesideLog(images).filter(name => name.includes('warm'));
    assert.deepEqual(leftOver, []);
  });

  it('when the working folder is a link, the warm pass changes nothing behind the link', async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const [images, elsewhere] = [`${folder}/images`, `${folder}/elsewhere`];
    for (const each of [images, elsewhere, `${elsewhere}/rehearsal`]) fs.mkdirSync(each);
    fs.writeFileSync(`${elsewhere}/rehearsal/precious`, 'mine');
    fs.symlinkSync(elsewhere, `${images}/ghostkeep`);
    for (let n = 0; n < 40; n += 1) ghostFile(t, folder, `ghost-${n}`, smallContent(n));
    ghostFile(t, folder, 'large', content);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    assert.equal((await gate.ask(`warm ${process.pid}`)).at(-1), 'done');
    assert.deepEqual(filesIn(elsewhere), ['rehearsal/precious']);
    const keys = (await gate.ask(`checkpoint ${process.pid}`)).slice(0, -1);
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
    assert.deepEqual(filesIn(elsewhere), ['rehearsal/precious']);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  });
});

/**
 * Any kind of file may have a name in an image directory. ghostkeep waits for none of them, acts on none, and
 * follows none to another place.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { joinImage, magic } from '../../src/criu/frame.js';
import { endOfCriu, Gate } from './gate.js';
import { ghostFile, ghostkeep, isRoot, temporaryFolder } from './ghostkeep.js';

const waitMs = 20_000;

/** A dump, and a victim: a folder that the user has not named, with a file of each name that we use. */
function setting(t: TestContext) {
  const folder = temporaryFolder(t);
  ghostFile(t, folder, 'x', Buffer.alloc(20_000, 1));
  const images = `${folder}/images`;
  const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', images]);
  assert.equal(dump.status, 0, dump.stderr);
  return { folder, images, ours: `${images}/ghostkeep` };
}

/** Leaves the dump as CRIU leaves it before the seal. */
function unseal(images: string): void {
  const ours = `${images}/ghostkeep`;
  const manifest = JSON.parse(fs.readFileSync(`${images}/ghostkeep-manifest.json`, 'utf8')) as Manifest;
  fs.rmSync(`${images}/ghostkeep-manifest.json`);
  fs.mkdirSync(ours, { mode: 0o700 });
  const [ghost] = manifest.ghosts;
  assert.ok(ghost);
  fs.renameSync(`${images}/${ghost.image}`, `${ours}/pending-1.img`);
  const journal = { ...manifest, state: 'dumped', ghosts: [{ ...ghost, image: 'ghostkeep/pending-1.img' }] };
  fs.writeFileSync(`${ours}/journal.json`, JSON.stringify(journal));
}

function asCriu(images: string, change: Partial<Manifest> = {}): void {
  for (const name of ['ghostkeep-manifest.json', 'ghostkeep/journal.json']) {
    const file = `${images}/${name}`;
    if (!fs.existsSync(file)) continue;
    const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
    fs.writeFileSync(file, JSON.stringify({ ...manifest, criu: true, ...change }));
  }
  fs.writeFileSync(`${images}/files.img`, joinImage(magic.FILES, []));
  fs.writeFileSync(`${images}/inventory.img`, 'inventory');
}

/** Moves the working folder elsewhere, and puts a link to it in its place. */
function leadElsewhere(folder: string, ours: string): { victim: string; before: string[] } {
  const victim = `${folder}/victim`;
  if (fs.existsSync(ours)) fs.renameSync(ours, victim);
  else fs.mkdirSync(victim);
  for (const name of ['manifest.json', 'reserve', 'first-id', 'own']) {
    if (!fs.existsSync(`${victim}/${name}`)) fs.writeFileSync(`${victim}/${name}`, name);
  }
  fs.symlinkSync(victim, ours);
  return { victim, before: contentOf(victim) };
}

const contentOf = (folder: string) =>
  fs.readdirSync(folder).map(name => `${name} ${fs.readFileSync(`${folder}/${name}`, 'latin1')}`);

function fifo(path: string): void {
  fs.rmSync(path, { force: true });
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
}

describe('a FIFO in an image directory', () => {
  it('when a FIFO has the name of a ghost image, seal ends and says that the image is damaged', t => {
    const { images, ours } = setting(t);
    unseal(images);
    fifo(`${ours}/pending-1.img`);
    const { status, stderr } = ghostkeep(['seal', '-D', images], { waitMs });
    assert.equal(status, 1);
    assert.match(stderr, /not a regular file.*\[IMAGE_INVALID\]/);
  });

  for (const name of ['files.img', 'remap-fpath.img', 'inventory.img', 'cgroup.img', 'ghostkeep/first-id'])
    it(`when a FIFO has the name of ${name}, seal ends`, t => {
      const { images } = setting(t);
      unseal(images);
      asCriu(images, { thaw: true });
      fifo(`${images}/${name}`);
      const { status, stderr } = ghostkeep(['seal', '-D', images], { waitMs });
      assert.equal(status, 1);
      assert.match(stderr, /not a regular file/);
    });

  it('when a FIFO has the name of a ghost image or the manifest, every command that reads it ends', t => {
    const { folder, images } = setting(t);
    const commands = [
      ['verify'],
      ['show', '--extents'],
      ['materialize'],
      ['restore', '--to', `${folder}/back`],
    ];
    for (const path of [`${images}/ghost-file-1.img`, `${images}/ghostkeep-manifest.json`]) {
      fifo(path);
      for (const command of commands) {
        const { status, stdout, stderr } = ghostkeep([...command, '-D', images], { waitMs });
        assert.equal(status, 1, `${command} of ${path}`);
        assert.match(stdout + stderr, /not a regular file/);
      }
    }
  });
});

describe('ghostkeep.log in an image directory', () => {
  const others: [string, (log: string, victim: string) => void][] = [
    ['a FIFO', log => fifo(log)],
    ['a FIFO that somebody reads slowly', log => fifo(log)],
    ['a link', (log, victim) => fs.symlinkSync(victim, log)],
    ['another name of a file', (log, victim) => fs.linkSync(victim, log)],
  ];
  for (const [what, make] of others)
    it(`when ghostkeep.log is ${what}, the dump goes on without it`, async t => {
      const folder = temporaryFolder(t);
      ghostFile(t, folder, 'ghost', 'x'.repeat(20_000));
      const images = `${folder}/images`;
      fs.mkdirSync(images);
      fs.writeFileSync(`${folder}/victim`, 'as it was');
      make(`${images}/ghostkeep.log`, `${folder}/victim`);
      if (what.includes('reads')) {
        const reader = fs.openSync(`${images}/ghostkeep.log`, fs.constants.O_RDWR);
        t.after(() => fs.closeSync(reader));
      }
      const gate = new Gate(t, 'dump', images);
      const late = setTimeout(() => assert.fail('the helper hangs'), waitMs);
      t.after(() => clearTimeout(late));
      await gate.answer();
      const [key = ''] = await gate.ask(`checkpoint ${process.pid}`);
      endOfCriu(images, key.slice('external '.length));
      assert.deepEqual(await gate.ask('finish 0'), ['done']);
      assert.equal(await gate.end(), 0);
      assert.equal(fs.readFileSync(`${folder}/victim`, 'utf8'), 'as it was');
    });
});

describe('a working folder that is a link', () => {
  for (const criu of [false, true])
    it(`when a dump ${criu ? 'of CRIU’s ' : ''}is sealed and its working folder is a link, nothing behind the link changes`, t => {
      const { folder, images, ours } = setting(t);
      unseal(images);
      if (criu) asCriu(images);
      const { victim, before } = leadElsewhere(folder, ours);
      const { status, stderr } = ghostkeep(['seal', '-D', images], { waitMs });
      assert.equal(status, 1);
      assert.match(stderr, /is a symbolic link or not a folder.*\[IMAGE_INVALID\]/);
      assert.deepEqual(contentOf(victim), before);
    });

  it('when the working folder is a link, other commands trust and change nothing behind the link', t => {
    const { folder, images, ours } = setting(t);
    const { victim, before } = leadElsewhere(folder, ours);
    const commands = [
      ['verify'],
      ['show'],
      ['materialize', '--preserve-allocation'],
      ['restore', '--to', `${folder}/back`],
    ];
    for (const command of commands) {
      const { status, stdout, stderr } = ghostkeep([...command, '-D', images], { waitMs });
      assert.equal(status, 1, `${command}`);
      assert.match(stdout + stderr, /is a symbolic link or not a folder.*\[IMAGE_INVALID\]/);
      assert.deepEqual(contentOf(victim), before, `${command}`);
    }
  });

  it('when a dump begins and the working folder is a link, the dump removes the link, whatever it leads to', async t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'ghost', 'x'.repeat(20_000));
    const images = `${folder}/images`;
    fs.mkdirSync(images);
    const victim = `${folder}/victim`;
    fs.mkdirSync(victim);
    for (const name of ['manifest.json', 'journal.json', 'pending-1.img', 'reserve'])
      fs.writeFileSync(`${victim}/${name}`, name);
    fs.symlinkSync(victim, `${images}/ghostkeep`);
    const before = contentOf(victim);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    const [key = ''] = await gate.ask(`checkpoint ${process.pid}`);
    endOfCriu(images, key.slice('external '.length));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    await gate.end();
    assert.deepEqual(contentOf(victim), before);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  });
});

describe('a ghost image that has another name elsewhere', {
  skip: isRoot ? false : 'only root gives files away',
}, () => {
  it("when a ghost image has another name elsewhere, the seal does not change the file's owner, and commands that only read the file succeed", t => {
    const { folder, images, ours } = setting(t);
    fs.linkSync(`${images}/ghost-file-1.img`, `${folder}/victim`);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
    unseal(images);
    asCriu(images);
    // The seal keeps only ghosts that are in use, and a linked one always counts as in use.
    const journal = JSON.parse(fs.readFileSync(`${ours}/journal.json`, 'utf8')) as Manifest;
    const linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'a' }], hostUid: 0, hostGid: 0 };
    const ghosts = journal.ghosts.map(ghost => ({ ...ghost, linked }));
    fs.writeFileSync(`${ours}/journal.json`, JSON.stringify({ ...journal, ghosts }));
    fs.chownSync(`${images}/files.img`, 65534, 65534);
    const { status, stderr } = ghostkeep(['seal', '-D', images]);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /has other names/);
    assert.equal(fs.statSync(`${folder}/victim`).uid, 0);
  });
});

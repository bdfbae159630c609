/** An image directory that holds images which are not the dump's own. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { filesImage, regFile, remap, remapsImage } from '../unit/criu/images.js';
import { endOfCriu, Gate } from './gate.js';
import { ghostFile, ghostkeep, sessionsFolder, temporaryFolder } from './ghostkeep.js';

/** Leaves a checkpoint as CRIU alone does, with one ghost that CRIU dumped. */
function checkpointByCriu(images: string): Map<string, string> {
  fs.mkdirSync(images);
  fs.writeFileSync(`${images}/files.img`, filesImage(regFile({ id: 1, name: '/data/theirs' })));
  fs.writeFileSync(`${images}/remap-fpath.img`, remapsImage(remap(1, 1, 1)));
  fs.writeFileSync(`${images}/ghost-file-1.img`, 'the only copy');
  fs.writeFileSync(`${images}/inventory.img`, 'inventory');
  return contentsOf(images);
}

const contentsOf = (folder: string) =>
  new Map(fs.readdirSync(folder).map(name => [name, fs.readFileSync(`${folder}/${name}`, 'latin1')]));

function setting(t: TestContext) {
  const folder = temporaryFolder(t);
  ghostFile(t, folder, 'ours', 'x'.repeat(20_000));
  return { folder, images: `${folder}/images` };
}

const dump = (images: string) => ghostkeep(['dump', '--pid', String(process.pid), '-D', images]);

describe('a dump into a directory with images of others', () => {
  it('when the directory has a checkpoint by CRIU alone, dump is refused and every image stays', t => {
    const { images } = setting(t);
    const before = checkpointByCriu(images);
    const { status, stderr } = dump(images);
    assert.equal(status, 1);
    assert.match(stderr, /cannot dump into .*: files\.img and 3 more .*\[BAD_INPUT\]/);
    assert.deepEqual(contentsOf(images), before);
  });

  it("when the manifest of a dump was removed, dump is refused, because the images may be anybody's", t => {
    const { images } = setting(t);
    assert.equal(dump(images).status, 0);
    fs.rmSync(`${images}/ghostkeep-manifest.json`);
    const before = contentsOf(images);
    assert.match(dump(images).stderr, /ghost-file-1\.img in it .*\[BAD_INPUT\]/);
    assert.deepEqual(contentsOf(images), before);
  });

  it('when poststop would dump beside a checkpoint by CRIU, poststop is refused, too', t => {
    const { folder, images } = setting(t);
    const before = checkpointByCriu(images);
    const id = `gk-test-${process.pid}-others`;
    const record = `${sessionsFolder}/${id}.json`;
    t.after(() => fs.rmSync(record, { force: true }));
    const annotations = { 'io.ghostkeep.enabled': 'true' };
    const state = {
      ociVersion: '1.2.0',
      id,
      status: 'created',
      pid: process.pid,
      bundle: folder,
      annotations,
    };
    const hook = (name: string) => ghostkeep(['hook', name], { input: JSON.stringify(state) });
    assert.equal(hook('prestart').status, 0);
    const session = JSON.parse(fs.readFileSync(record, 'utf8'));
    fs.writeFileSync(record, JSON.stringify({ ...session, images }));
    const { status, stderr } = hook('poststop');
    assert.equal(status, 1);
    assert.match(stderr, /\[BAD_INPUT\]/);
    assert.deepEqual(contentsOf(images), before);
  });

  it('when CRIU with the gate dumps over a checkpoint, an image that the older one left is not taken for one of the new dump', async t => {
    const { images } = setting(t);
    checkpointByCriu(images);
    fs.writeFileSync(`${images}/ghost-file-2.img`, 'of the checkpoint before');
    const gate = new Gate(t, 'dump', images);
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    const [key = ''] = await gate.ask(`checkpoint ${process.pid}`);
    // CRIU removes remap-fpath.img before it makes a new one, and writes its own ghost anew.
    fs.rmSync(`${images}/remap-fpath.img`);
    fs.writeFileSync(`${images}/remap-fpath.img`, remapsImage(remap(9, 1, 1)));
    fs.rmSync(`${images}/ghost-file-1.img`);
    fs.writeFileSync(`${images}/ghost-file-1.img`, 'by CRIU, of now');
    endOfCriu(images, key.slice('external '.length));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.equal(fs.readFileSync(`${images}/ghost-file-1.img`, 'utf8'), 'by CRIU, of now');
    assert.equal(fs.statSync(`${images}/ghost-file-2.img`).size > 20_000, true);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  });

  it('when CRIU names an image but has not written it, the older image of that name loses the name, and verify says that it is missing', async t => {
    const { images } = setting(t);
    checkpointByCriu(images);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    const [key = ''] = await gate.ask(`checkpoint ${process.pid}`);
    fs.writeFileSync(`${images}/remap-fpath.img`, remapsImage(remap(9, 1, 1)));
    endOfCriu(images, key.slice('external '.length));
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.ok(!fs.existsSync(`${images}/ghost-file-1.img`));
    assert.match(ghostkeep(['verify', '-D', images]).stdout, /ghost-file-1\.img is missing/);
  });
});

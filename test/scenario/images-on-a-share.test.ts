/**
 * The image directory is on a share that knows neither owners nor modes, or does not promise what fsync(2)
 * promises.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { fuseShare, shownAt } from './fuse-share.js';
import { endOfCriu, Gate } from './gate.js';
import { filesIn, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const content = randomBytes(700_001);
const nothingButBytes = 'chown:1,chmod:1,utimens:1,fsync:22';

async function share(t: TestContext, refused: string): Promise<string | undefined> {
  if (!needs(t, isRoot, 'mounting needs root')) return undefined;
  const place = await fuseShare(t, refused);
  ghostFile(t, temporaryFolder(t), 'ghost', content);
  return `${place}/d`;
}

const dumpTo = (images: string) => ghostkeep(['dump', '--pid', String(process.pid), '-D', images]);

/**
 * A checkpoint through the gate. CRIU's files are made to belong to user 1, with mode 0640, behind the
 * share's back.
 */
async function checkpointTo(t: TestContext, images: string): Promise<string[]> {
  fs.mkdirSync(images);
  const gate = new Gate(t, 'dump', images);
  assert.match(String(await gate.answer()), /^ready/);
  const [external = '', done] = await gate.ask(`checkpoint ${process.pid}`);
  assert.equal(done, 'done', external);
  endOfCriu(images, external.replace('external ', ''));
  const shown = images.replace(/\/m\/d$/, '/shown/d');
  fs.chownSync(`${shown}/files.img`, 1, 1);
  fs.chmodSync(`${shown}/files.img`, 0o640);
  const sealed = await gate.ask('finish 0');
  await gate.leave();
  return sealed;
}

function assertWhole(images: string): void {
  const { status, stderr, stdout } = ghostkeep(['verify', '-D', images]);
  assert.equal(status, 0, stderr + stdout);
  const restore = ghostkeep(['restore', '-D', images, '--to', `${images}/back`]);
  assert.equal(restore.status, 0, restore.stderr);
  const [name = ''] = fs.readdirSync(`${images}/back`);
  assert.ok(fs.readFileSync(`${images}/back/${name}`).equals(content), 'other bytes came back');
}

describe('an image directory on a share', () => {
  it('when the share has no owners, modes, times or fsync, the dump is whole, and a warning names the files that fsync may not have stored', async t => {
    const images = await share(t, nothingButBytes);
    if (!images) return;
    const { status, stderr } = dumpTo(images);
    assert.equal(status, 0, stderr);
    assert.match(
      stderr,
      /file system of \S+\/m\/d refuses fsync \(EINVAL\): all is written, but only its server knows/,
    );
    assert.doesNotMatch(stderr, /owner/);
    assertWhole(images);
    assert.equal(ghostkeep(['materialize', '-D', images, '--preserve-allocation']).status, 0);
  });

  for (const [errno, name] of [
    [1, 'EPERM'],
    [22, 'EINVAL'],
  ])
    it(`when the share refuses the owner of CRIU's files with ${name}, the checkpoint is sealed and the log says so`, async t => {
      const images = await share(t, `chown:${errno},chmod:${errno}`);
      if (!images) return;
      assert.deepEqual(await checkpointTo(t, images), ['done']);
      const log = fs.readFileSync(`${images}/ghostkeep.log`, 'utf8');
      assert.match(
        log,
        new RegExp(`refuses mode \\(${name}\\), owner \\(${name}\\): all is written, but whoever`),
      );
      assertWhole(images);
    });

  it("when the share has owners, our files get the owner of CRIU's files", async t => {
    const images = await share(t, '-');
    if (!images) return;
    assert.deepEqual(await checkpointTo(t, images), ['done']);
    for (const name of ['files.img', 'remap-fpath.img', 'ghost-file-1.img']) {
      const { uid, mode }: fs.Stats = fs.statSync(`${shownAt(images.replace(/\/d$/, ''))}/d/${name}`);
      assert.deepEqual([uid, mode & 0o7777], [1, 0o640], name);
    }
    assert.doesNotMatch(fs.readFileSync(`${images}/ghostkeep.log`, 'utf8'), /refuses/);
  });

  it('when the share reports a failed write only at close(2), the dump fails with a code and the path', async t => {
    const images = await share(t, 'flush:5');
    if (!images) return;
    const { status, stderr } = dumpTo(images);
    assert.equal(status, 1);
    assert.match(stderr, /cannot dump .*: EIO.* \[IO\]\n$/);
    assert.deepEqual(filesIn(images), []);
  });

  it('when fsync fails with an error, and is not merely unsupported, the dump fails', async t => {
    const images = await share(t, 'fsync:5');
    if (!images) return;
    const { status, stderr } = dumpTo(images);
    assert.equal(status, 1);
    assert.match(stderr, /EIO.* \[IO\]\n$/);
  });

  it('when the helper cannot write to the share at all, its refusal has a code and the path', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const images = `${await fuseShare(t, 'create:30')}/d`;
    ghostFile(t, temporaryFolder(t), 'ghost', content);
    fs.mkdirSync(images);
    const gate = new Gate(t, 'dump', images);
    assert.match(String(await gate.answer()), /^ready/);
    const [refusal = ''] = await gate.ask(`checkpoint ${process.pid}`);
    assert.match(refusal, /^refuse cannot dump .*EROFS.* \[IO\]$/);
    assert.ok(refusal.includes(images), refusal);
    await gate.leave();
  });
});

/** A sealed image directory holds regular files only, because containerd's CRI takes no other. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { endOfCriu, Gate } from './gate.js';
import { filesIn, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const filesBesideLog = (images: string) => filesIn(images).filter(name => name !== 'ghostkeep.log');

/** A dump under the gate, of an unlinked ghost and of one that has another name on a tmpfs. */
async function dumped(t: TestContext) {
  const folder = temporaryFolder(t);
  const memory = temporaryFolder(t, '/dev/shm');
  ghostFile(t, folder, 'ghost', 'x'.repeat(20_000));
  fs.writeFileSync(`${memory}/other`, 'linked');
  fs.linkSync(`${memory}/other`, `${memory}/opened`);
  const fd = fs.openSync(`${memory}/opened`, 'r');
  t.after(() => fs.closeSync(fd));
  fs.unlinkSync(`${memory}/opened`);
  const images = `${folder}/images`;
  fs.mkdirSync(images);
  const gate = new Gate(t, 'dump', images);
  await gate.answer();
  const keys = (await gate.ask(`checkpoint ${process.pid}`)).filter(line => line.startsWith('external '));
  assert.equal(keys.length, 2);
  endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
  return { folder, images, gate };
}

async function sealed(t: TestContext) {
  const { folder, images, gate } = await dumped(t);
  assert.deepEqual(await gate.ask('finish 0'), ['done']);
  assert.equal(await gate.end(), 0);
  return { folder, images };
}

/**
 * Unpacks as containerd's CRI does: whatever an entry is, a file is created and its content copied. Source:
 * internal/cri/server/container_checkpoint_linux.go.
 */
function unpackAsCri(tar: string, to: string): void {
  fs.mkdirSync(to);
  for (const name of execFileSync('tar', ['-tf', tar], { encoding: 'utf8' }).trim().split('\n')) {
    assert.ok(!name.includes('..'), name);
    fs.writeFileSync(path.join(to, name), execFileSync('tar', ['-xOf', tar, name]));
  }
}

const tarOf = (images: string, file: string) =>
  execFileSync('tar', ['-C', images, '--no-recursion', '-cf', file, ...fs.readdirSync(images)]);

/**
 * Gives the last line of the helper's answer. If there is a linked ghost, the helper asks once about its
 * mount, and the test answers that CRIU was told nothing about that mount.
 */
async function restoreCheck(t: TestContext, images: string, { linked = true } = {}): Promise<string> {
  const gate = new Gate(t, 'restore', images);
  await gate.answer();
  gate.say('restore');
  if (linked) gate.say('none');
  const answers = await gate.answer();
  await gate.end();
  return answers.at(-1) ?? '';
}

describe('a sealed image directory', () => {
  it('when a sealed image directory is listed, it has only regular files with one name each, and no folder', async t => {
    const { images } = await sealed(t);
    assert.deepEqual(fs.readdirSync(images).sort(), [...filesBesideLog(images), 'ghostkeep.log'].sort());
    assert.deepEqual(filesBesideLog(images), [
      'files.img',
      'ghost-file-1.img',
      'ghostkeep-linked-2.img',
      'ghostkeep-manifest.json',
      'inventory.img',
      'remap-fpath.img',
    ]);
    for (const name of fs.readdirSync(images)) {
      const stat = fs.lstatSync(`${images}/${name}`);
      assert.deepEqual([name, stat.isFile(), stat.nlink], [name, true, 1]);
    }
  });

  it("when containerd’s CRI unpacks a sealed directory, the copy verifies, restores, and passes the gate's check before restore", async t => {
    const { folder, images } = await sealed(t);
    tarOf(images, `${folder}/images.tar`);
    unpackAsCri(`${folder}/images.tar`, `${folder}/there`);
    const verify = ghostkeep(['verify', '-D', `${folder}/there`]);
    assert.equal(verify.status, 0, verify.stdout + verify.stderr);
    const restore = ghostkeep(['restore', '-D', `${folder}/there`, '--to', `${folder}/back`]);
    assert.equal(restore.status, 0, restore.stderr);
    const back = filesIn(`${folder}/back`).map(name => fs.readFileSync(`${folder}/back/${name}`, 'utf8'));
    assert.deepEqual(back.sort(), ['linked', 'x'.repeat(20_000)]);
    assert.equal(await restoreCheck(t, `${folder}/there`), 'done');
  });
});

describe('an image directory of the old layout', () => {
  it('when a command uses a directory of the old layout, it says that the layout is old, and the gate refuses a restore', async t => {
    const { images } = await sealed(t);
    fs.mkdirSync(`${images}/ghostkeep`, { mode: 0o700 });
    fs.renameSync(`${images}/ghostkeep-manifest.json`, `${images}/ghostkeep/manifest.json`);
    fs.renameSync(`${images}/ghostkeep-linked-2.img`, `${images}/ghostkeep/linked-2.img`);
    const before = filesBesideLog(images);
    const said = /old layout \(ghostkeep\/manifest\.json in it\).*\[MANIFEST_INVALID\]/;
    for (const command of [
      ['verify'],
      ['show'],
      ['seal'],
      ['materialize'],
      ['restore', '--to', `${images}.to`],
    ]) {
      const { status, stdout, stderr } = ghostkeep([...command, '-D', images]);
      assert.equal(status, 1, command[0]);
      assert.match(stdout + stderr, said, command[0]);
    }
    assert.match(
      await restoreCheck(t, images, { linked: false }),
      /^refuse .*old layout.*\[MANIFEST_INVALID\]$/,
    );
    assert.deepEqual(filesBesideLog(images), before);
  });
});

describe('the working folder that a killed helper has left', () => {
  const leftovers = { 'warm-0123456789ab-1.img': 'half', reserve: 'x' };
  const leave = (images: string) => {
    fs.mkdirSync(`${images}/ghostkeep`, { mode: 0o700, recursive: true });
    for (const [name, text] of Object.entries(leftovers))
      fs.writeFileSync(`${images}/ghostkeep/${name}`, text);
  };

  it('when a killed helper has left its working folder beside a checkpoint by CRIU alone, the restore check removes it', async t => {
    const images = `${temporaryFolder(t)}/images`;
    leave(images);
    assert.equal(await restoreCheck(t, images, { linked: false }), 'done');
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when a killed helper has left its working folder beside a sealed dump, the restore check and seal remove it', async t => {
    const { images } = await sealed(t);
    leave(images);
    assert.equal(await restoreCheck(t, images), 'done');
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
    leave(images);
    assert.equal(ghostkeep(['seal', '-D', images]).status, 0);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when the next dump fails before it has begun, or finds no ghost, it removes the working folder that a killed helper has left', async t => {
    for (const result of [0, 1]) {
      const images = `${temporaryFolder(t)}/images`;
      leave(images);
      const gate = new Gate(t, 'dump', images);
      await gate.answer();
      assert.deepEqual(await gate.ask(`finish ${result}`), ['done']);
      await gate.end();
      assert.ok(!fs.existsSync(`${images}/ghostkeep`), `finish ${result}`);
    }
  });

  it('when the dump in the directory is not sealed yet, everything in its working folder stays', async t => {
    const { images, gate } = await dumped(t);
    await gate.kill();
    const before = filesBesideLog(images);
    const next = new Gate(t, 'dump', images);
    await next.answer();
    await next.end();
    assert.deepEqual(filesBesideLog(images), before);
  });
});

/**
 * If a file has another name on a disk, where the name stays, its content is left out. `verify` says if the
 * name did not stay.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

function run(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** Folders for mounts, unmounted and removed in the right order when the test ends. */
function places(t: TestContext, ...names: string[]): string[] {
  const top = fs.mkdtempSync(path.join(tmpdir(), 'gk-'));
  const folders = names.map(name => `${top}/${name}`);
  for (const folder of folders) fs.mkdirSync(folder);
  t.after(() => {
    for (const folder of folders.toReversed()) while (spawnSync('umount', ['-l', folder]).status === 0);
    fs.rmSync(top, { recursive: true, force: true });
  });
  return folders;
}

function mountExt4(folder: string): void {
  run('truncate', '-s', '16M', `${folder}.disk`);
  run('mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^has_journal', `${folder}.disk`);
  run('mount', '-o', 'loop', `${folder}.disk`, folder);
}

/** Makes a file that was opened as FOLDER/held and now has only the name FOLDER/d/other. */
function holdOther(t: TestContext, folder: string): void {
  fs.mkdirSync(`${folder}/d`);
  const fd = fs.openSync(`${folder}/held`, 'wx+');
  fs.writeSync(fd, 'content');
  fs.linkSync(`${folder}/held`, `${folder}/d/other`);
  fs.rmSync(`${folder}/held`);
  t.after(() => fs.closeSync(fd));
}

function dumpSelf(t: TestContext): { images: string; manifest: Manifest } {
  const images = `${temporaryFolder(t)}/images`;
  const { status, stdout, stderr } = ghostkeep([
    'dump',
    '--pid',
    String(process.pid),
    '-D',
    images,
    '--json',
  ]);
  assert.equal(status, 0, stderr);
  return { images, manifest: JSON.parse(stdout) as Manifest };
}

const linked = ({ ghosts }: Manifest) => ghosts.filter(ghost => ghost.class === 'linked').length;
const verify = (images: string) => ghostkeep(['verify', '-D', images]);

describe('a file whose opened name is gone', () => {
  it('when the other name of a linked ghost is removed too, verify says so; when another mount only hides that name, verify is silent', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [folder = ''] = places(t, 'disk');
    mountExt4(folder);
    // holdOther() cannot be used: this file is closed before the end of the test, so that the disk can be
    // unmounted.
    const fd = fs.openSync(`${folder}/held`, 'wx+');
    fs.mkdirSync(`${folder}/d`);
    fs.linkSync(`${folder}/held`, `${folder}/d/other`);
    fs.rmSync(`${folder}/held`);
    const { images, manifest } = dumpSelf(t);
    fs.closeSync(fd);
    assert.equal(linked(manifest), 0);
    assert.equal(verify(images).status, 0, verify(images).stdout);

    run('mount', '-t', 'tmpfs', 'over', `${folder}/d`);
    assert.equal(verify(images).status, 0);
    run('umount', `${folder}/d`);

    fs.rmSync(`${folder}/d/other`);
    const gone = verify(images);
    assert.equal(gone.status, 1);
    assert.match(gone.stdout, new RegExp(`${folder}/d/other is gone: .*\\[NAME_GONE\\]`));

    fs.symlinkSync('/etc/passwd', `${folder}/d/other`);
    assert.match(verify(images).stdout, /NAME_GONE/);
    fs.rmSync(`${folder}/d`, { recursive: true });
    assert.match(verify(images).stdout, /NAME_GONE/);

    run('umount', folder);
    assert.equal(verify(images).status, 0, 'nobody can say what a disk holds that is not mounted');
  });

  it('when a linked ghost is on overlayfs, the dump copies its content unless the upper layer is on a disk', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [memory = '', disk = '', onMemory = '', onDisk = ''] = places(t, 'memory', 'disk', 'm', 'd');
    run('mount', '-t', 'tmpfs', 'test', memory);
    mountExt4(disk);
    for (const [below, folder] of [
      [memory, onMemory],
      [disk, onDisk],
    ]) {
      for (const name of ['lower', 'upper', 'work']) fs.mkdirSync(`${below}/${name}`);
      const layers = `lowerdir=${below}/lower,upperdir=${below}/upper,workdir=${below}/work`;
      run('mount', '-t', 'overlay', 'test', '-o', layers, folder as string);
    }
    holdOther(t, onDisk);
    assert.equal(linked(dumpSelf(t).manifest), 0);
    holdOther(t, onMemory);
    const { manifest } = dumpSelf(t);
    assert.equal(linked(manifest), 1);
  });

  it('when only the holder of a linked ghost has mounted its disk, the dump copies the content, because the disk goes with the holder', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const [folder = ''] = places(t, 'disk');
    run('truncate', '-s', '16M', `${folder}.disk`);
    run('mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^has_journal', `${folder}.disk`);
    const script = `mount -o loop ${folder}.disk ${folder}; cd ${folder}; exec 9<>held; echo content >&9
      ln held other; rm held; cd /; echo ready; exec sleep 600`;
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'bash', '-ec', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const ended = once(child, 'exit').then(() => assert.fail('the holder ended before it was ready'));
    ended.catch(() => {});
    await Promise.race([once(child.stdout, 'data'), ended]);
    const images = `${temporaryFolder(t)}/images`;
    const dump = ghostkeep(['dump', '--pid', String(child.pid), '-D', images]);
    assert.equal(dump.status, 0, dump.stderr);
    const restore = ghostkeep(['restore', '-D', images, '--to', `${images}/back`]);
    assert.equal(restore.status, 0, restore.stderr);
    assert.equal(fs.readFileSync(`${images}/back/ghost-1`, 'utf8'), 'content\n');
  });
});

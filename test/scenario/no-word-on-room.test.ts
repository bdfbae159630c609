/** A file system whose statfs(2) gives neither its size nor its free space takes a dump like any other. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { LinuxFiles } from '../../src/host/files/files.js';
import { fuseShare } from './fuse-share.js';
import { ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

/**
 * Runs commands that mount file systems in a folder, `m` among them, and unmounts everything in it at the
 * end.
 */
function mounted(t: TestContext, commands: string): string {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-room-'));
  t.after(() => {
    spawnSync('umount', [`${folder}/m`]);
    spawnSync('umount', [`${folder}/below`]);
    fs.rmSync(folder, { recursive: true, force: true });
  });
  const made = spawnSync('sh', ['-ec', `mkdir m below; ${commands}`], { cwd: folder, encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  return `${folder}/m`;
}

/** Dump into the file system, and restore into it. */
function assertTaken(t: TestContext, place: string): void {
  assert.equal(new LinuxFiles().freeBytes(place), undefined);
  const content = randomBytes(300_001);
  ghostFile(t, temporaryFolder(t), 'ghost', content);
  const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', `${place}/d`]);
  assert.equal(dump.status, 0, dump.stderr);
  const restore = ghostkeep(['restore', '-D', `${place}/d`, '--to', `${place}/r`]);
  assert.equal(restore.status, 0, restore.stderr);
  assert.ok(fs.readFileSync(`${place}/r/ghost-1`).equals(content), 'other bytes came back');
}

describe('a file system that does not say how much room there is', () => {
  const places: Record<string, string> = {
    ramfs: 'mount -t ramfs gk-test m',
    'a tmpfs without a limit': 'mount -t tmpfs -o size=0 gk-test m',
    'an overlay over such a tmpfs': `mount -t tmpfs -o size=0 gk-test below; mkdir below/u below/w below/l
      mount -t overlay -o lowerdir=below/l,upperdir=below/u,workdir=below/w gk-test m`,
  };
  for (const [name, commands] of Object.entries(places))
    it(`when a file system that does not say its free space is ${name}, dump and restore succeed there`, t => {
      if (needs(t, isRoot, 'mounting needs root')) assertTaken(t, mounted(t, commands));
    });

  for (const [name, refused] of Object.entries({
    'whose statfs says nothing': 'statfs:0',
    'that has no statfs': 'statfs:38',
  }))
    it(`when a file system that does not say its free space is a FUSE server ${name}, dump and restore succeed there`, async t => {
      if (needs(t, isRoot, 'mounting needs root')) assertTaken(t, await fuseShare(t, refused));
    });

  it('when a file system does not say its free space, restore allocates no unwritten space there and says so', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const place = mounted(t, 'mount -t tmpfs -o size=0 gk-test m');
    const folder = temporaryFolder(t);
    const fd = ghostFile(t, folder, 'ghost', 'data');
    const allocated = spawnSync('fallocate', [
      '--keep-size',
      '--length',
      '1M',
      `/proc/${process.pid}/fd/${fd}`,
    ]);
    assert.equal(allocated.status, 0);
    const images = `${folder}/images`;
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    const args = ['restore', '-D', images, '--to', `${place}/r`, '--preserve-allocation'];
    const { status, stdout, stderr } = ghostkeep(args);
    assert.equal(status, 0, stderr);
    assert.match(stdout + stderr, /allocation \((the file system does not say how much is free|not known)\)/);
  });
});

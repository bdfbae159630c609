import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFolder, lockHolder } from '../../../../src/host/files/lock.js';

/** /dev/shm is a tmpfs: file systems number their devices and inodes in different ways. */
const places = [os.tmpdir(), '/dev/shm'];

function folderIn(t: TestContext, place: string): string {
  const folder = fs.mkdtempSync(path.join(place, 'ghostkeep-lock-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

/** Another process that has FOLDER locked. */
async function locker(t: TestContext, folder: string) {
  const child = spawn('flock', ['--no-fork', folder, 'sh', '-c', 'echo locked; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

describe('lockFolder', () => {
  it('when a folder is locked, no other call can lock it; when the descriptor is closed, the next one can', t => {
    for (const place of places) {
      const folder = folderIn(t, place);
      const fd = lockFolder(folder);
      assert.ok(fd !== undefined);
      assert.equal(lockFolder(folder), undefined);
      assert.equal(lockHolder(folder, [process.pid]), process.pid);
      assert.equal(lockHolder(folder, []), process.pid);
      fs.closeSync(fd);
      const again = lockFolder(folder);
      assert.ok(again !== undefined);
      fs.closeSync(again);
      assert.equal(lockHolder(folder, [process.pid]), undefined);
      assert.deepEqual(fs.readdirSync(folder), []);
    }
  });

  it("when a link leads to the folder, its lock is the folder's lock", t => {
    const folder = folderIn(t, os.tmpdir());
    fs.symlinkSync(folder, `${folder}/link`);
    const fd = lockFolder(`${folder}/link`) as number;
    assert.equal(lockFolder(folder), undefined);
    fs.closeSync(fd);
  });

  it('when another process has the lock, its pid is given; when that process is killed, the lock is gone', async t => {
    for (const place of places) {
      const folder = folderIn(t, place);
      const other = await locker(t, folder);
      assert.equal(lockFolder(folder), undefined);
      assert.equal(lockHolder(folder, [process.pid]), other.pid);
      other.kill('SIGKILL');
      await once(other, 'exit');
      const fd = lockFolder(folder);
      assert.ok(fd !== undefined);
      fs.closeSync(fd);
    }
  });

  it('when the process that made the lock has ended, the holder is the process that has the descriptor', async t => {
    const folder = folderIn(t, os.tmpdir());
    const script = 'exec 9<"$1"; flock 9; echo locked; exec sleep 600';
    const child = spawn('sh', ['-c', script, 'sh', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    assert.equal(lockFolder(folder), undefined);
    assert.equal(lockHolder(folder, [process.pid, child.pid as number]), child.pid);
    assert.notEqual(lockHolder(folder, []), child.pid);
  });

  it('when a program is started while we have the lock, it does not keep the lock', async t => {
    const folder = folderIn(t, os.tmpdir());
    const fd = lockFolder(folder) as number;
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'spawn');
    while (!fs.readlinkSync(`/proc/${child.pid}/exe`).endsWith('sleep')) await sleep(1);
    fs.closeSync(fd);
    const again = lockFolder(folder);
    assert.ok(again !== undefined);
    fs.closeSync(again);
  });

  it('when the path is not a folder or does not exist, the error says so', t => {
    const folder = folderIn(t, os.tmpdir());
    fs.writeFileSync(`${folder}/file`, '');
    assert.throws(() => lockFolder(`${folder}/file`), { code: 'ENOTDIR' });
    assert.throws(() => lockFolder(`${folder}/none`), { code: 'ENOENT' });
    assert.equal(lockHolder(`${folder}/none`, []), undefined);
  });
});

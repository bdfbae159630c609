/** A container fills the disk on which bases lie. It must get as much of that disk as if there were none. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, filesIn, ghostFile, temporaryFolder } from './ghostkeep.js';
import { loopDisk } from './loop-disk.js';
import { basesIn, fill, gateDump, killWatchers, me, preDump, setUp, until, watchersOf } from './rounds.js';

const disks: Record<'xfs without reflink' | 'ext4', [string, ...string[]]> = {
  'xfs without reflink': ['mkfs.xfs', '-q', '-f', '-m', 'reflink=0'],
  ext4: ['mke2fs', '-q', '-F', '-t', 'ext4'],
};

const diskBytes = 1 << 30;
const ghostBytes = 96 << 20;
/** A file system may need a few blocks more or less for its own data. */
const tolerance = 2 << 20;

const hasLock = (pid: number) =>
  new RegExp(`FLOCK .* ${pid} `).test(fs.readFileSync('/proc/locks', 'latin1'));

function startRound(folder: string): ChildProcess {
  const [file, ...words] = command;
  return spawn(file, [...words, 'pre-dump', '--pid', me, '-D', folder], { stdio: 'ignore' });
}

describe('the room that bases take', () => {
  for (const [name, mkfs] of Object.entries(disks)) {
    it(`when the container fills its ${name} while a base lies there, it can write as much as without a base`, async t => {
      const disk = loopDisk(t, diskBytes, ...mkfs);
      if (!disk) return;
      ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(ghostBytes));
      const without = await fill(disk);
      preDump(`${disk}/bases`);
      assert.equal(basesIn(`${disk}/bases`).length, 1);
      assert.ok(fs.statfsSync(disk).bavail * fs.statfsSync(disk).bsize < without - ghostBytes / 2);
      const filled = await fill(disk);
      assert.ok(filled > without - tolerance, `${filled} bytes instead of ${without}`);
      assert.deepEqual(basesIn(`${disk}/bases`), []);
    });

    it(`when the container fills its ${name} while a round is at work, it can write as much as without a round`, async t => {
      const disk = loopDisk(t, diskBytes, ...mkfs);
      if (!disk) return;
      ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(ghostBytes));
      const without = await fill(disk);
      const round = startRound(`${disk}/bases`);
      const ended = once(round, 'exit');
      await until(
        'a round makes a base',
        () => round.exitCode !== null || basesIn(`${disk}/bases`, 'rough').length > 0,
      );
      const filled = await fill(disk);
      assert.ok(filled > without - tolerance, `${filled} bytes instead of ${without}`);
      await ended;
      assert.equal(round.exitCode, 0);
    });
  }

  it('when the container allocates space in pieces, it gets as many pieces as without a base', async t => {
    const disk = loopDisk(t, diskBytes, ...disks['xfs without reflink']);
    if (!disk) return;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(ghostBytes));
    const allocate = async () => {
      let count = 0;
      while (spawnSync('fallocate', ['-l', '64M', `${disk}/piece-${count}`]).status === 0) {
        count += 1;
        // Several calls between two looks count as one large call, which may fail (docs/short-freeze.md).
        await sleep(50);
      }
      fs.rmSync(`${disk}/piece-${count}`, { force: true });
      for (let piece = 0; piece < count; piece += 1) fs.rmSync(`${disk}/piece-${piece}`);
      return count;
    };
    const without = await allocate();
    preDump(`${disk}/bases`);
    assert.equal(await allocate(), without);
  });

  it('when rounds follow each other, one process watches, and it ends when the bases are gone', async t => {
    const disk = loopDisk(t, diskBytes, ...disks.ext4);
    if (!disk) return;
    const folder = `${disk}/bases`;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(ghostBytes));
    preDump(folder);
    preDump(folder);
    await until('a process watches', () => watchersOf(folder).length > 0);
    await sleep(1500);
    await until('one process watches', () => watchersOf(folder).length === 1);
    const [pid] = watchersOf(folder);
    assert.equal(fs.readlinkSync(`/proc/${pid}/cwd`), '/');
    for (const fd of fs.readdirSync(`/proc/${pid}/fd`))
      assert.ok(!fs.readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(disk), 'it holds a file of the disk');
    for (const base of filesIn(folder)) fs.rmSync(`${folder}/${base}`);
    await until('nobody watches', () => watchersOf(folder).length === 0);
  });

  for (const where of ['images', 'bases'] as const)
    it(`when a dump fails and its base goes back into the directory of the ${where}, the base is watched again`, async t => {
      const { images, [where]: folder } = setUp(t);
      preDump(folder);
      await until('a process watches', () => watchersOf(folder).length === 1);
      killWatchers(folder);
      await gateDump(t, images, { finish: -1 });
      assert.equal(basesIn(folder).length, 1);
      await until('a process watches again', () => watchersOf(folder).length === 1);
      fs.rmSync(`${folder}/ghostkeep`, { recursive: true });
      await until('nobody watches', () => watchersOf(folder).length === 0);
    });

  it('when the process that watches is ended, it removes the bases, but none that somebody has locked', async t => {
    const disk = loopDisk(t, diskBytes, ...disks.ext4);
    if (!disk) return;
    const folder = `${disk}/bases`;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(ghostBytes));
    const endWatcher = async () => {
      await until('a process watches', () => watchersOf(folder).length === 1);
      // The watcher has begun once it has its lock. A signal before that would just kill it.
      await until('it has begun', () => watchersOf(folder).every(hasLock));
      for (const pid of watchersOf(folder)) process.kill(pid, 'SIGTERM');
      await until('nobody watches', () => watchersOf(folder).length === 0);
    };
    preDump(folder);
    const path = `${folder}/ghostkeep/${basesIn(folder)[0]}`;
    const before = fs.readFileSync(path);
    const locker = spawn('flock', ['-x', path, 'sleep', '600'], { stdio: 'ignore', detached: true });
    t.after(() => locker.exitCode ?? locker.signalCode ?? process.kill(-(locker.pid as number), 'SIGKILL'));
    while (spawnSync('flock', ['-n', path, 'true']).status === 0) await sleep(5);
    await endWatcher();
    assert.ok(fs.readFileSync(path).equals(before));
    process.kill(-(locker.pid as number), 'SIGKILL');
    await once(locker, 'exit');
    preDump(folder);
    await endWatcher();
    assert.deepEqual(basesIn(folder), []);
  });
});

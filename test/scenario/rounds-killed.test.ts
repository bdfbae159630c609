/** Whoever makes, moves or watches bases is killed, or waits for a dead server. The container gets its room all the same. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { aRuntime } from './a-runtime.js';
import { hold } from './fuse-server.js';
import { fuseShare, shownAt } from './fuse-share.js';
import { command, ghostFile, ghostkeep, isRoot, launcher, needs, temporaryFolder } from './ghostkeep.js';
import { loopDisk } from './loop-disk.js';
import {
  assertDumped,
  basesIn,
  fill,
  killWatchers,
  me,
  preDump,
  setUp,
  until,
  watchersOf,
} from './rounds.js';

const diskBytes = 1 << 30;
const ghostBytes = 96 << 20;
/** A file system may need a few blocks more or less for its own data. */
const tolerance = 2 << 20;
const ext4 = ['mke2fs', '-q', '-F', '-t', 'ext4'] as const;

function start(t: TestContext, ...words: string[]): ChildProcess {
  const [file, ...more] = command;
  const child = spawn(file as string, [...more, ...words], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** A container with a ghost whose base lies on a disk, and `ghostkeep checkpoint` while its CRIU has frozen it. */
async function checkpointing(t: TestContext) {
  if (!needs(t, isRoot, 'records of bases are in /run')) return undefined;
  const disk = loopDisk(t, diskBytes, ...ext4);
  if (!disk) return undefined;
  const memory = temporaryFolder(t, '/dev/shm');
  fs.writeFileSync(`${memory}/ghost`, randomBytes(ghostBytes));
  const fd = fs.openSync(`${memory}/ghost`, 'r');
  t.after(() => fs.closeSync(fd));
  const pid = await hold(t, `exec 3<>${memory}/ghost; rm ${memory}/ghost`);
  const without = await fill(disk);
  const [bases, images, goOn] = [`${disk}/bases`, `${disk}/images`, `${memory}/go-on`];
  const made = ghostkeep(['pre-dump', '--pid', String(pid), '-D', bases]);
  assert.equal(made.status, 0, made.stderr);
  assert.equal(basesIn(bases).length, 1);
  const runtime = aRuntime(t, { pid, images, status: 'paused', until: goOn });
  const child = start(t, 'checkpoint', '--', runtime, 'checkpoint', '--image-path', images, 'web');
  await until('CRIU has frozen the container', () => fs.existsSync(`${path.dirname(runtime)}/frozen`));
  assert.deepEqual([basesIn(bases).length, basesIn(images).length], [0, 1]);
  const criu = Number(fs.readFileSync(`${path.dirname(runtime)}/frozen`, 'utf8'));
  return { disk, memory, fd, images, child, criu, without, goOn: () => fs.writeFileSync(goOn, '') };
}

describe('bases, when somebody is killed', () => {
  it('when ghostkeep checkpoint is killed, the container that fills its disk can write as much as without a base', async t => {
    const at = await checkpointing(t);
    if (!at) return;
    await kill(at.child);
    const filled = await fill(at.disk);
    assert.ok(filled > at.without - tolerance, `${filled} bytes instead of ${at.without}`);
    assert.deepEqual(basesIn(at.images), []);
    await until('nobody watches', () => watchersOf(at.images).length === 0);
    process.kill(at.criu, 'SIGKILL');
    await until('the disk is free', () => !fs.existsSync(`/proc/${at.criu}`));
  });

  it('as long as ghostkeep checkpoint lives, its base stays, because the copy needs the room that the base takes', async t => {
    const at = await checkpointing(t);
    if (!at) return;
    const filled = await fill(at.disk);
    assert.ok(filled < at.without - ghostBytes / 2, `${filled} bytes of ${at.without}`);
    assert.equal(basesIn(at.images).length, 1);
    const ended = once(at.child, 'exit');
    at.goOn();
    assert.deepEqual(await ended, [0, null]);
    // How much of a base is kept depends on what the page cache has of it, and another test may drop that.
    assert.notEqual(assertDumped(at.images, at.memory, at.fd), undefined, 'it was not dumped over the base');
    await until('nobody watches', () => watchersOf(at.images).length === 0);
  });

  it('when a round is killed while it copies, the container that fills its disk can write as much as without a round', async t => {
    const disk = loopDisk(t, diskBytes, ...ext4);
    if (!disk) return;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(ghostBytes));
    const without = await fill(disk);
    const round = start(t, 'pre-dump', '--pid', me, '-D', `${disk}/bases`);
    const sizeOf = (name = '') => fs.statSync(`${disk}/bases/ghostkeep/${name}`).blocks * 512;
    await until('a round has copied a part', () =>
      basesIn(`${disk}/bases`, 'rough').some(name => sizeOf(name) > 4 << 20),
    );
    await kill(round);
    assert.equal(basesIn(`${disk}/bases`, 'rough').length, 1);
    const filled = await fill(disk);
    assert.ok(filled > without - tolerance, `${filled} bytes instead of ${without}`);
    assert.deepEqual(basesIn(`${disk}/bases`, 'rough'), []);
  });

  it('when the process that watches bases was killed, the next ghostkeep command starts another one', async t => {
    const { bases } = setUp(t);
    preDump(bases);
    await until('a process watches', () => watchersOf(bases).length === 1);
    killWatchers(bases);
    const { status, stderr } = ghostkeep(['scan', '--pid', me]);
    assert.deepEqual([status, stderr], [0, '']);
    await until('a process watches again', () => watchersOf(bases).length === 1);
    assert.equal(basesIn(bases).length, 1);
    fs.rmSync(`${bases}/ghostkeep`, { recursive: true });
    await until('nobody watches', () => watchersOf(bases).length === 0);
  });
});

/** Leaves a process that removes all bases in FOLDER, because no disk has as much room as it asks for. */
function watch(t: TestContext, folder: string, mark: string): ChildProcess {
  const child = spawn(launcher, ['watch-bases', folder, mark, String(2n ** 64n - 1n), '0'], {
    stdio: 'ignore',
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

const childOf = (parent: ChildProcess) =>
  Number(fs.readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8'));

it('when a file server does not answer, bases on other disks are watched, and those on the server when it answers again', async t => {
  if (!needs(t, isRoot && fs.existsSync('/dev/fuse'), 'a FUSE mount needs root and /dev/fuse')) return;
  let server = 0;
  const far = await fuseShare(t, '', pid => {
    server = pid;
  });
  const near = temporaryFolder(t, '/dev/shm');
  for (const folder of [shownAt(far), near]) {
    fs.mkdirSync(`${folder}/ghostkeep`, { mode: 0o700 });
    fs.writeFileSync(`${folder}/ghostkeep/base-1-2-3.img`, 'content');
  }
  process.kill(server, 'SIGSTOP');
  t.after(() => process.kill(server, 'SIGCONT'));
  const marks = temporaryFolder(t);
  const farWatcher = watch(t, far, `${marks}/far.lock`);
  await until('the far one looks', () => fs.existsSync(`${marks}/far.lock`) && childOf(farWatcher) > 0);
  const first = childOf(farWatcher);
  const nearEnded = once(watch(t, near, `${marks}/near.lock`), 'exit');
  assert.deepEqual(await nearEnded, [0, null]);
  assert.deepEqual(basesIn(near), []);
  // The kernel would send this signal to the child after 30 s.
  process.kill(first, 'SIGALRM');
  await until('another child looks', () => ![0, first].includes(childOf(farWatcher)));
  const farEnded = once(farWatcher, 'exit');
  process.kill(server, 'SIGCONT');
  assert.deepEqual(await farEnded, [0, null]);
  assert.deepEqual(basesIn(shownAt(far)), []);
});

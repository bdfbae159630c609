/**
 * A dump never takes a wrong byte from a base, which is the copy that an earlier round has made: not from one
 * that is somebody else's or damaged, nor when a round or a helper is stopped or killed.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endOfCriu, Gate } from './gate.js';
import { command, filesIn, ghostFile, ghostkeep, isRoot, needs } from './ghostkeep.js';
import { assertDumped, basesIn, content, gateDump, me, preDump, setUp } from './rounds.js';

interface Place {
  /** Path of the one base. */
  base: string;
  folder: string;
}

/**
 * Each function turns the base into something that no dump may use. It returns a check that nothing was
 * touched that must not be.
 */
const unusable: Record<string, (place: Place) => () => void> = {
  'has another name, too': ({ base, folder }) => {
    fs.linkSync(base, `${folder}/other`);
    return isStill(`${folder}/other`);
  },
  'is a symbolic link': ({ base, folder }) => {
    fs.renameSync(base, `${folder}/other`);
    fs.symlinkSync(`${folder}/other`, base);
    return isStill(`${folder}/other`);
  },
  'belongs to another user': ({ base }) => {
    fs.chownSync(base, 65534, 65534);
    return () => {};
  },
  'lies in a folder of another user': ({ base }) => {
    fs.chownSync(base.replace(/\/[^/]*$/, ''), 65534, 65534);
    return isStill(base);
  },
  'lies in a folder that others may write to': ({ base }) => {
    fs.chmodSync(base.replace(/\/[^/]*$/, ''), 0o777);
    return isStill(base);
  },
  'lies behind a link': ({ base, folder }) => {
    const inner = base.replace(/\/[^/]*$/, '');
    fs.renameSync(inner, `${folder}/elsewhere`);
    fs.symlinkSync(`${folder}/elsewhere`, inner);
    return isStill(base);
  },
  'is a FIFO': ({ base }) => {
    fs.rmSync(base);
    assert.equal(spawnSync('mkfifo', [base]).status, 0);
    return () => assert.ok(fs.lstatSync(base).isFIFO());
  },
  'is a folder': ({ base }) => {
    fs.rmSync(base);
    fs.mkdirSync(base);
    return () => assert.ok(fs.lstatSync(base).isDirectory());
  },
};

/** Each function spoils the base in a way that costs a dump time when it compares, and never a byte. */
const wrong: Record<string, (place: Place) => void> = {
  'is empty': ({ base }) => fs.truncateSync(base, 0),
  'was cut off': ({ base }) => fs.truncateSync(base, 3_000_001),
  'is longer than the ghost': ({ base }) => fs.appendFileSync(base, randomBytes(5 << 20)),
  'holds other bytes': ({ base }) => fs.writeFileSync(base, randomBytes(content.length)),
  'is of another file': ({ base }) => fs.writeFileSync(base, Buffer.alloc(4 << 20, 'x')),
};

function isStill(path: string): () => void {
  const before = fs.readFileSync(path);
  return () => assert.ok(fs.readFileSync(path).equals(before), `${path} was changed`);
}

const baseIn = (bases: string): string => `${bases}/ghostkeep/${basesIn(bases)[0]}`;

describe('a base', () => {
  for (const [what, make] of Object.entries(unusable))
    it(`when a base ${what}, the dump does not use it`, async t => {
      if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
      const { folder, images, bases, fd } = setUp(t);
      preDump(bases);
      const check = make({ base: baseIn(bases), folder });
      await gateDump(t, images);
      assert.equal(assertDumped(images, folder, fd), undefined);
      check();
    });

  for (const [what, make] of Object.entries(wrong))
    it(`when a base ${what}, the dump has every byte all the same`, async t => {
      const { folder, images, fd } = setUp(t);
      preDump(images);
      make({ base: baseIn(images), folder });
      await gateDump(t, images);
      assert.notEqual(assertDumped(images, folder, fd), undefined);
    });

  it('when somebody has locked a base, the dump and a round leave the base alone', async t => {
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    const { folder, images, bases, fd } = setUp(t);
    preDump(bases);
    const check = isStill(baseIn(bases));
    const locker = spawn('flock', ['-x', baseIn(bases), 'sleep', '600'], { stdio: 'ignore', detached: true });
    t.after(() => process.kill(-(locker.pid as number), 'SIGKILL'));
    while (spawnSync('flock', ['-n', baseIn(bases), 'true']).status === 0) await sleep(5);
    fs.writeSync(fd, 'changed', 4_000_000);
    assert.deepEqual(
      preDump(bases).ghosts.map(({ done }) => done),
      ['nothing'],
    );
    await gateDump(t, images);
    assert.equal(assertDumped(images, folder, fd), undefined);
    check();
  });

  it('when the processes of a base have ended, doctor lists the base, and --clean removes it', async t => {
    if (!needs(t, isRoot, 'records of bases lie in /run')) return;
    const { folder, bases } = setUp(t);
    const script = `exec 3<>"$1/held"; head -c 6000000 /dev/urandom >&3; rm "$1/held"; echo ready; exec sleep 600`;
    const holder = spawn('sh', ['-c', script, 'sh', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    const run = ghostkeep(['pre-dump', '--tree', String(holder.pid), '-D', bases]);
    assert.equal(run.status, 0, run.stderr);
    assert.equal(basesIn(bases).length, 1);
    const state = (...more: string[]) => {
      // The exit status also depends on other things of the host, so only the output is checked.
      const { stdout } = ghostkeep(['doctor', '--json', ...more]);
      const found = JSON.parse(stdout) as { bases: { folder: string; state: string; count: number }[] };
      return found.bases.filter(each => each.folder === bases).map(each => [each.state, each.count]);
    };
    assert.deepEqual([state(), state('--clean')], [[['awaited', 1]], [['awaited', 1]]]);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    assert.deepEqual(state(), [['left-over', 1]]);
    assert.deepEqual(state('--clean'), [['removed', 1]]);
    assert.deepEqual([state(), basesIn(bases)], [[], []]);
  });
});

/**
 * Starts a round over huge ghosts and stops it by SIGSTOP in the middle of a copy. If a round finishes the
 * copy before the signal arrives, another one is started.
 */
async function stoppedRound(t: TestContext, bases: string): Promise<ChildProcess> {
  const [file, ...words] = command;
  for (;;) {
    const child = spawn(file, [...words, 'pre-dump', '--pid', me, '-D', bases], { stdio: 'ignore' });
    t.after(() => child.kill('SIGKILL'));
    const isBegun = () =>
      basesIn(bases, 'rough').some(name => fs.statSync(`${bases}/ghostkeep/${name}`).size > 10 << 20);
    while (!isBegun() && child.exitCode === null) await sleep(1);
    child.kill('SIGSTOP');
    await sleep(20);
    if (basesIn(bases, 'rough').length === 2) return child;
    child.kill('SIGKILL');
    await once(child, 'exit');
    fs.rmSync(`${bases}/ghostkeep`, { recursive: true, force: true });
  }
}

const huge = 96 << 20;

/** @returns a ghost all of whose bytes are LETTER */
function hugeGhost(t: TestContext, folder: string, letter: string): number {
  const fd = ghostFile(t, folder, 'huge', '');
  fill(fd, letter);
  return fd;
}

function fill(fd: number, letter: string): void {
  const part = Buffer.alloc(8 << 20, letter);
  for (let at = 0; at < huge; at += part.length) fs.writeSync(fd, part, 0, part.length, at);
}

describe('a round that is interrupted', () => {
  it('when a round is stopped in the middle and goes on after the dump, the dump keeps its bytes', async t => {
    const { folder, images, bases } = setUp(t);
    const fd = hugeGhost(t, folder, 'a');
    const round = await stoppedRound(t, bases);
    fill(fd, 'b');
    const dump = ghostkeep(['dump', '--pid', me, '-D', images, '--base', bases, '--allow-missing']);
    assert.equal(dump.status, 0, dump.stderr);
    fill(fd, 'c');
    const ended = once(round, 'exit');
    round.kill('SIGCONT');
    await ended;
    fill(fd, 'b');
    assert.equal(assertDumped(images, folder, fd), undefined);
  });

  it('when a round is stopped in the directory of the checkpoint, the gate does not wait for the round', async t => {
    const { folder, images } = setUp(t);
    const fd = hugeGhost(t, folder, 'a');
    const round = await stoppedRound(t, images);
    fill(fd, 'b');
    await gateDump(t, images);
    fill(fd, 'c');
    const ended = once(round, 'exit');
    round.kill('SIGCONT');
    await ended;
    fill(fd, 'b');
    assert.equal(assertDumped(images, `${images}-back`, fd), undefined);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when a signal ends a round, the round removes the copy that it was making', async t => {
    const { folder, images } = setUp(t);
    hugeGhost(t, folder, 'a');
    const round = await stoppedRound(t, images);
    const ended = once(round, 'exit');
    round.kill('SIGTERM');
    round.kill('SIGCONT');
    const [status] = await ended;
    assert.equal(status, 128 + 15);
    assert.deepEqual(filesIn(images), []);
  });

  it('when a round was killed, doctor --clean removes what the round has left, although its processes live', async t => {
    if (!needs(t, isRoot, 'records of bases lie in /run')) return;
    const { folder, images } = setUp(t);
    hugeGhost(t, folder, 'a');
    const round = await stoppedRound(t, images);
    const ended = once(round, 'exit');
    round.kill('SIGKILL');
    await ended;
    ghostkeep(['doctor', '--clean']);
    assert.deepEqual(filesIn(images), []);
  });

  it('when a round is killed while it copies, its files are not used, and the next round makes a base', async t => {
    const { folder, images } = setUp(t);
    const fd = hugeGhost(t, folder, 'a');
    for (let count = 0; count < 3; count += 1) {
      fill(fd, String(count));
      const round = await stoppedRound(t, images);
      const ended = once(round, 'exit');
      round.kill('SIGKILL');
      await ended;
      assert.deepEqual([basesIn(images).length, basesIn(images, 'rough').length], [0, 2]);
    }
    fill(fd, 'b');
    assert.ok(preDump(images).ghosts.some(({ done }) => done === 'base'));
    await gateDump(t, images);
    assert.ok((assertDumped(images, folder, fd) ?? 0) >= huge);
  });

  for (const [what, say] of Object.entries({
    'has taken the base in the warm pass': [`warm ${me}`],
    'has dumped over the base': [`checkpoint ${me}`],
    'has done both': [`warm ${me}`, `checkpoint ${me}`],
  }))
    it(`when a helper ${what} and is killed, the next dump has every byte`, async t => {
      const { folder, images, fd } = setUp(t);
      preDump(images);
      const gate = new Gate(t, 'dump', images);
      await gate.answer();
      for (const line of say) assert.equal((await gate.ask(line)).at(-1), 'done');
      await gate.kill();
      fs.writeSync(fd, 'changed', 4_000_000);
      const next = new Gate(t, 'dump', images);
      assert.match((await next.answer())[0] ?? '', /^ready/);
      const keys = (await next.ask(`checkpoint ${me}`)).slice(0, -1);
      endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
      assert.deepEqual(await next.ask('finish 0'), ['done']);
      await next.end();
      assertDumped(images, folder, fd);
      assert.ok(!fs.existsSync(`${images}/ghostkeep`));
    });

  it('when CRIU is killed while its helper dumps over a base, the helper gives the base back', async t => {
    const { folder, images } = setUp(t);
    const fd = hugeGhost(t, folder, 'a');
    preDump(images);
    fill(fd, 'b');
    const old = new Gate(t, 'dump', images);
    await old.answer();
    old.say(`checkpoint ${me}`);
    while (basesIn(images).length > 1) await sleep(1);
    old.hangUp();
    const next = new Gate(t, 'dump', images);
    assert.match((await next.answer())[0] ?? '', /^ready/);
    assert.ok(basesIn(images).length > 0);
    const keys = (await next.ask(`checkpoint ${me}`)).slice(0, -1);
    endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
    assert.deepEqual(await next.ask('finish 0'), ['done']);
    await next.end();
    assert.notEqual(assertDumped(images, folder, fd), undefined);
  });
});

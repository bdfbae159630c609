import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configPath, policyOf } from '../../../../src/flows/container/policy.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { runRound } from '../../../../src/flows/rounds/round.js';
import { baseName, roughName } from '../../../../src/image/layout.js';
import {
  errno,
  type FakeFile,
  fakeContext,
  fakeFile,
  fakeMount,
  Interrupted,
  opened,
} from '../../fake-host.js';

const large = { size: 64n << 20n, allocated: 64n << 20n };
const recordName = '/run/ghostkeep/bases/100-';

function container(config: object = {}, filesystem = 'ext4') {
  const context = fakeContext();
  const { files, processes, engine } = context.host;
  files.put(configPath, JSON.stringify(config));
  files.folders.add('/bases').add('/img').add('/run/ghostkeep');
  const ghost = fakeFile({ ino: 1n, birthtimeNs: 7n, ...large });
  processes.add(100, {
    mounts: [fakeMount(30, { filesystem })],
    fds: {
      3: opened(ghost, '/data/large (deleted)'),
      4: opened(fakeFile({ ino: 2n }), '/data/small (deleted)'),
    },
  });
  const round = (images = '/bases') => {
    const { policy } = policyOf(context, 100);
    return runRound(context, { images, pids: [100], policy, criu: false });
  };
  const base = `/bases/${baseName(ghost.stat)}`;
  const rough = `/bases/${roughName(ghost.stat)}`;
  /** Files of rounds, and nothing else that is there. */
  const left = () => Object.keys(files.snapshot()).filter(name => /\/(base|rough)-/.test(name));
  /** Has somebody a descriptor of the base, and so the lock of the base? */
  const isHeld = () => [...files.open_.values()].includes(files.contents.get(base) as FakeFile);
  const done = async (images?: string) => (await round(images)).ghosts.map(one => [one.done, one.why]);
  return { context, files, processes, engine, ghost, round, done, base, rough, left, isHeld };
}

describe('a round', () => {
  it('when a ghost is large, a round makes a base named after it, and a record leads to the base', async () => {
    const { round, left, base, files, processes, isHeld } = container();
    const { ghosts, compared } = await round();
    assert.deepEqual(
      ghosts.map(({ done, why }) => [done, why]),
      [
        ['base', undefined],
        ['nothing', 'less than 4 MiB are allocated, which is copied in a millisecond or two'],
      ],
    );
    assert.equal(compared, false);
    assert.match(base, /^\/bases\/ghostkeep\/base-[0-9a-f]+-1-7\.img$/);
    assert.deepEqual(left(), [base]);
    const [record = ''] = Object.keys(files.snapshot()).filter(name => name.startsWith(recordName));
    assert.equal(JSON.parse(String(files.get(record))).folder, '/bases');
    assert.equal(processes.pins.size, 0);
    assert.equal(isHeld(), false);
  });

  it('a large named file of a shared /dev/shm gets a base, unless the base would take the room of the ghosts', async () => {
    for (const [free, wanted] of [
      [1n << 40n, ['base', 'nothing', 'base']],
      [350n << 20n, ['base', 'nothing', 'nothing']],
    ] as const) {
      const { files, processes, ghost, done } = container();
      const shm = (id: number) =>
        fakeMount(id, { dev: 47n, filesystem: 'tmpfs', mountPoint: Buffer.from('/dev/shm') });
      processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts: [shm(9)] });
      const named = (ino: bigint, size: bigint) =>
        opened(fakeFile({ dev: 47n, nlink: 1, ino, size, allocated: size }), `/dev/shm/${ino}`, {
          mount: 40,
        });
      processes.add(100, {
        mounts: [fakeMount(30), shm(40)],
        fds: {
          3: opened(ghost, '/data/large (deleted)'),
          4: opened(fakeFile({ ino: 2n }), '/data/small (deleted)'),
          5: named(5n, large.size),
          6: named(6n, 4096n),
        },
      });
      files.free = free;
      assert.deepEqual(
        (await done()).map(([what]) => what),
        wanted,
      );
    }
  });

  it('when the container fills the disk while a round copies its ghost, the copy ends and nothing of it stays', async () => {
    const { files, engine, done, left } = container();
    files.free = 1n << 40n;
    engine.onDump = () => {
      files.free = 255n << 20n;
    };
    const [[what, why] = []] = await done();
    assert.equal(what, 'nothing');
    assert.match(why ?? '', /^only 255 MiB are free, and a base .* room that its container may need$/);
    assert.deepEqual(left(), []);
  });

  it('when the disk stops telling how much is free, the round ends without a base', async () => {
    const { files, engine, done, left } = container();
    engine.onDump = () => {
      files.freeBytes = () => {
        throw errno('EIO', 'statfs');
      };
    };
    const [[what, why] = []] = await done();
    assert.equal(what, 'nothing');
    assert.match(why ?? '', /^nobody can say how much room is free: EIO/);
    assert.deepEqual(left(), []);
  });

  it('when less than 256 MiB would stay free besides the base and the reserve of 16 MiB, a round makes no base', async () => {
    for (const [free, wanted] of [
      [335n, 'nothing'],
      [337n, 'base'],
    ] as const) {
      const { files, done } = container();
      files.free = free << 20n;
      const [[what] = []] = await done();
      assert.equal(what, wanted, `${free} MiB`);
    }
  });

  it('before a round makes its first base, a process watches the room; without that process the round makes none', async () => {
    const { context, files, done, left } = container();
    const started: (readonly string[])[] = [];
    context.host.commands = {
      ...context.host.commands,
      leave: words => {
        started.push(words);
        if (started.length === 1) assert.deepEqual(left(), []);
        else throw errno('ENOENT');
      },
    };
    files.put(configPath, JSON.stringify({ reserve: '1M' }));
    assert.deepEqual((await done())[0], ['base', undefined]);
    const [words = []] = started;
    const self = String(context.host.processes.self());
    assert.deepEqual(
      [words[0], words[1], words[3], words[4]],
      ['watch-bases', '/bases', String(257 << 20), self],
    );
    assert.match(words[2] ?? '', /^\/run\/ghostkeep\/bases\/watch-[0-9]+-[0-9]+\.lock$/);
    const [[what, why] = []] = await done();
    assert.equal(what, 'nothing');
    assert.match(why ?? '', /^nobody would watch the room that its base takes: /);
    assert.deepEqual(left(), []);
  });

  it('when there is a base, the next round writes over it, under another name until the disk has it', async () => {
    const { round, left, base, rough, engine, isHeld } = container();
    await round();
    let during: string[] = [];
    engine.onDump = () => {
      during = left();
    };
    const { compared } = await round();
    assert.deepEqual([during, left(), compared], [[rough], [base], true]);
    assert.deepEqual(engine.over, [false, true]);
    assert.equal(isHeld(), false);
  });

  it('when an earlier round has put the base elsewhere, the next round takes it along', async () => {
    const { round, left, base, engine } = container();
    await round('/img');
    await round();
    assert.deepEqual([left(), engine.over], [[base], [false, true]]);
  });

  it('when the disk has not stored a base, no base stays, not even an earlier one', async () => {
    const { done, left, rough, files } = container();
    for (const before of [0, 1]) {
      if (before === 1) await done();
      files.lostWrites.add(rough);
      const [first] = await done();
      assert.deepEqual([first?.[0], left()], ['nothing', []]);
      assert.match(String(first?.[1]), /^its disk has not taken the base: EIO/);
    }
  });

  it('when the ghost becomes shorter while a round copies it, the base stays; other errors remove the base', async () => {
    const { done, left, base, engine } = container();
    engine.onDump = () => {
      throw errno('ESTALE', 'the ghost ended');
    };
    assert.equal((await done())[0]?.[0], 'base');
    assert.deepEqual(left(), [base]);
    engine.onDump = () => {
      throw errno('ENOSPC', 'no space left');
    };
    assert.equal((await done())[0]?.[0], 'nothing');
    assert.deepEqual(left(), []);
  });

  it('when the file system has shared blocks unexpectedly, the round removes the base', async () => {
    const { done, left, engine } = container({}, 'bcachefs');
    engine.ways = ['reflink'];
    assert.equal((await done())[0]?.[0], 'nothing');
    assert.deepEqual(left(), []);
  });

  it('when the dump will share blocks, a round only writes dirty pages out', async () => {
    const { done, left, engine } = container({}, 'xfs');
    engine.found = [{ offset: 0n, length: 64n << 20n, kind: 'data' }];
    assert.equal((await done())[0]?.[0], 'written-back');
    assert.deepEqual([left(), engine.written, engine.dumps], [[], 1, 0]);
  });

  it('when a ghost is over the limit, a round copies nothing, because the dump will refuse the ghost', async () => {
    const { done, left } = container({ limit: '1M' });
    assert.match(String((await done())[0]?.[1]), /is over the policy's limit/);
    assert.deepEqual(left(), []);
  });

  it('when somebody has locked a base, a round leaves it alone', async () => {
    const { done, left, base, files, engine } = container();
    await done();
    files.locked.add(base);
    assert.match(String((await done())[0]?.[1]), /another round is at work on its base/);
    assert.deepEqual([left(), engine.dumps], [[base], 1]);
  });

  it('when a base is newer than its ghost, the warm pass copies nothing; else it copies over the base', async () => {
    for (const isNewer of [true, false]) {
      const { context, round, engine, ghost } = container();
      await round();
      const time = isNewer ? 1n : 1n << 62n;
      ghost.stat = { ...ghost.stat, mtimeNs: time, ctimeNs: time };
      const gate = new GateDump(context, '/img');
      await gate.warm(100);
      assert.deepEqual(engine.over, isNewer ? [false] : [false, true]);
      await gate.checkpoint(100);
      assert.equal(engine.over.at(-1), true);
    }
  });

  it('when a ghost is gone, a round removes its base, unless other processes have bases there', async () => {
    const { done, left, base, files, processes } = container();
    await done();
    const other = `/bases/${baseName({ ...fakeFile().stat, ino: 99n })}`;
    files.put(other, 'a base');
    processes.add(200, { fds: {} });
    const record = Object.keys(files.snapshot()).find(name => name.startsWith(recordName)) as string;
    const text = String(files.get(record)).replaceAll('100', '200');
    files.put('/run/ghostkeep/bases/200-1.json', text);
    await done();
    assert.deepEqual(left(), [base, other].sort());
    files.remove('/run/ghostkeep/bases/200-1.json');
    await done();
    assert.deepEqual(left(), [base]);
  });

  it('when a round is killed at any moment, the next round has a base, and a dump has every byte', async () => {
    let kills = 0;
    for (let at = 1; ; at += 1) {
      const { context, done, left, base, files, engine } = container();
      if (at % 2 === 0) await done();
      files.interruptAt = files.changes + at;
      const isOver = await done().then(
        () => true,
        (error: unknown) => {
          assert.ok(error instanceof Interrupted);
          return false;
        },
      );
      files.interruptAt = Number.POSITIVE_INFINITY;
      // The process is gone, and its locks with it.
      files.open_.clear();
      files.lockedFolders.clear();
      assert.deepEqual((await done())[0], ['base', undefined], `killed at change ${at}`);
      assert.deepEqual(left(), [base]);
      const gate = new GateDump(context, '/img');
      await gate.checkpoint(100);
      assert.equal(engine.over.at(-1), true);
      if (isOver) break;
      kills += 1;
    }
    assert.ok(kills > 5, `${kills} moments`);
  });
});

import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { configPath } from '../../../../src/flows/container/policy.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';
import { errno } from '../../fake-processes.js';

const images = '/img';
const large = { size: 64n << 20n, allocated: 64n << 20n };

function container(config: object = {}, filesystem = 'ext4') {
  const context = fakeContext();
  const { files, processes, engine } = context.host;
  files.folders.add(images);
  files.put(configPath, JSON.stringify(config));
  const ghost = fakeFile({ ino: 1n, ...large });
  processes.add(100, {
    mounts: [fakeMount(30, { filesystem })],
    fds: {
      3: opened(ghost, '/data/large (deleted)'),
      4: opened(fakeFile({ ino: 2n }), '/data/small (deleted)'),
      5: opened(fakeFile({ ino: 3n, mode: 0o010644 }), '/data/fifo (deleted)'),
    },
  });
  const ours = () => Object.keys(files.snapshot()).filter(name => name.startsWith(images));
  /** The names of our files without their random part. */
  const names = () => ours().map(name => name.replace(/warm-[0-9a-f]{12}-/, 'warm-'));
  return { context, files, processes, engine, ghost, ours, names, gate: new GateDump(context, images) };
}

const afterDump = [
  '/img/ghostkeep/journal.json',
  '/img/ghostkeep/pending-2.img',
  '/img/ghostkeep/reserve',
  '/img/ghostkeep/warm-1.img',
];

describe('before the warm pass', () => {
  /** A container without ghosts, on two mounts of which one has lost its source. */
  function without(rootGone: boolean) {
    const context = fakeContext();
    const { files, processes } = context.host;
    files.folders.add('/img');
    const mounts = [fakeMount(30), fakeMount(31, { mountPoint: Buffer.from('/data'), rootGone })];
    processes.add(100, { mounts });
    const warnings = () => context.lines.filter(line => line.startsWith('warn'));
    return { context, gate: new GateDump(context, '/img'), warnings };
  }

  it('when the source of a mount is gone, a warning says so, because CRIU will not refuse the checkpoint', async () => {
    const { gate, warnings } = without(true);
    await gate.warm(100);
    assert.match(warnings().join(), /^warn the source of the mount at \/data was removed or replaced: /);
    const whole = without(false);
    await whole.gate.warm(100);
    assert.deepEqual(whole.warnings(), []);
  });

  it('when the container runs, the dump is rehearsed once, before anything is copied', async () => {
    const { gate, context, ours } = container();
    const rehearsed: string[][] = [];
    await gate.warm(100, async () => void rehearsed.push(ours()));
    assert.deepEqual(rehearsed, [[]]);
    assert.equal(ours().length, 1);
    assert.deepEqual(
      context.lines.filter(line => line.startsWith('warn')),
      [],
    );
  });

  it('when the container is paused already, or the policy is off, no mount is read and nothing is rehearsed', async () => {
    const paused = without(true);
    paused.context.host.processes.paused.add(100);
    const off = without(true);
    off.context.host.files.put('/etc/ghostkeep/config.json', '{"enabled": false}');
    for (const { context, gate, warnings } of [paused, off]) {
      const done: string[] = [];
      context.host.processes.mounts = () => {
        done.push('mounts read');
        return [];
      };
      await gate.warm(100, async () => void done.push('rehearsed'));
      assert.deepEqual([done, warnings()], [[], []]);
    }
  });
});

describe('the warm pass', () => {
  it('when a ghost is large, it is copied before the freeze, and during the freeze over that copy', async () => {
    const { gate, engine, processes, ghost, ours, names, files } = container();
    await gate.warm(100);
    assert.equal(ours().length, 1);
    assert.match(ours()[0] ?? '', /^\/img\/ghostkeep\/warm-[0-9a-f]{12}-1\.img$/);
    assert.equal(processes.pins.size, 0);
    ghost.content = Buffer.from('another');
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false, true]);
    assert.deepEqual(names(), afterDump);
    assert.ok(files.get(ours().at(-1) ?? '').includes('another'));
    assert.equal(processes.pins.size, 0);
  });

  it('when a ghost was written to while it was copied, it is copied again as long as less differs than the time before', async () => {
    const { gate, engine, ghost } = container();
    const left = [64n, 32n, 16n, 16n, 8n];
    engine.onDump = count => {
      ghost.stat = { ...ghost.stat, mtimeNs: BigInt(count) };
      engine.differed = (left[count - 1] ?? 0n) << 20n;
    };
    await gate.warm(100);
    assert.deepEqual(engine.over, [false, true, true, true]);
  });

  it('when little or nothing has changed while a ghost was copied, it is not copied again', async () => {
    const quiet = container();
    quiet.engine.differed = 64n << 20n;
    await quiet.gate.warm(100);
    assert.deepEqual(quiet.engine.over, [false]);
    const { gate, engine, ghost } = container();
    engine.onDump = count => {
      ghost.stat = { ...ghost.stat, mtimeNs: BigInt(count) };
      engine.differed = (count > 1 ? 1n : 64n) << 20n;
    };
    await gate.warm(100);
    assert.deepEqual(engine.over, [false, true]);
  });

  it('when a ghost is mapped, its times do not tell whether it was written to, so it is copied again', async () => {
    const { gate, engine, processes, ghost } = container();
    processes.add(100, {
      mounts: [fakeMount(30, { filesystem: 'ext4' })],
      maps: [
        {
          address: '1000-2000',
          opened: opened(ghost, '/data/large (deleted)'),
          shared: true,
          writable: true,
        },
      ],
    });
    engine.onDump = () => {
      engine.differed = 0n;
    };
    await gate.warm(100);
    assert.deepEqual(engine.over, [false, true]);
  });

  it('when ghosts are small, they are pinned once together and released, except those that are left to CRIU', async () => {
    const { gate, processes, files } = container({ limit: '1M' });
    await gate.warm(100);
    assert.deepEqual(processes.pinned, ['100 fd/3', '100 fd/4']);
    assert.equal(processes.pins.size, 0);
    assert.deepEqual(files.list(images), []);
  });

  it('when a ghost cannot be pinned, the warm pass goes on and the dump reports the error', async () => {
    const { gate, context, processes, ghost } = container();
    processes.add(200, { fds: { 3: opened(ghost, '/large (deleted)') }, fails: { 'pin fd/3': 'EACCES' } });
    await gate.warm(200);
    assert.ok(context.lines.some(line => /is not copied before the freeze: .*EACCES/.test(line)));
    await assert.rejects(gate.checkpoint(200), /EACCES/);
    assert.equal(processes.pins.size, 0);
  });

  for (const config of [{ warm: false }, { enabled: false }, { limit: '1M' }]) {
    it(`when the policy is ${JSON.stringify(config)}, nothing is copied before the freeze`, async () => {
      const { gate, engine, ours } = container(config);
      await gate.warm(100);
      assert.equal(engine.dumps, 0);
      assert.deepEqual(ours(), []);
    });
  }

  for (const [what, allocated] of [
    ['allocated', 2n << 30n],
    ['mostly a hole', 64n << 20n],
  ] as const)
    it(`when a ghost of 2 GiB is ${what}, a limit of 1 GiB lets ${allocated > 1n << 30n ? 'nothing' : 'all'} be copied before the freeze`, async () => {
      const { gate, engine, processes, ours } = container({ limit: '1G' });
      const other = opened(fakeFile({ ino: 9n, size: 2n << 30n, allocated }), '/data/other (deleted)');
      processes.add(101, { parent: 100, mounts: [fakeMount(30, { filesystem: 'ext4' })], fds: { 3: other } });
      await gate.warm(100);
      const isOver = allocated > 1n << 30n;
      assert.equal(engine.dumps, isOver ? 0 : 2);
      assert.equal(ours().length, isOver ? 0 : 2);
      if (isOver) await assert.rejects(gate.checkpoint(100), { code: 'GHOST_OVER_LIMIT' });
    });

  it('when the policy cannot be read, the warm pass does nothing and the dump reports the error', async () => {
    const { gate, files } = container();
    files.put(configPath, '{"warm":"perhaps"}');
    await gate.warm(100);
    await assert.rejects(gate.checkpoint(100), { code: 'BAD_POLICY' });
  });

  it('when large extents will be shared by reflink, the warm pass only writes back dirty pages', async () => {
    const { gate, engine, ours } = container({}, 'xfs');
    engine.found = [{ offset: 0n, length: 64n << 20n, kind: 'data' }];
    await gate.warm(100);
    assert.equal(engine.written, 1);
    assert.equal(engine.dumps, 0);
    assert.deepEqual(ours(), []);
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false]);
  });

  it('when extents are too small to be shared by reflink, they are copied', async () => {
    const { gate, engine } = container({}, 'xfs');
    engine.found = Array.from({ length: 300 }, (_, n) => ({
      offset: BigInt(n) * 8192n,
      length: 4096n,
      kind: 'data' as const,
    }));
    await gate.warm(100);
    assert.equal(engine.written, 0);
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false, true]);
  });

  it('when the warm copy turned out to share blocks, it is removed and the dump copies anew', async () => {
    const { gate, engine, ours } = container({}, 'bcachefs');
    engine.ways = ['reflink'];
    await gate.warm(100);
    assert.deepEqual(ours(), []);
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false, false]);
  });

  it('when the policy says `warm: false`, nothing is copied before the freeze, and the dump has all', async () => {
    const { gate, engine, ours } = container({ warm: false });
    await gate.warm(100);
    assert.deepEqual([engine.dumps, ours()], [0, []]);
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false]);
  });

  it('when the process is frozen already, the warm pass copies nothing', async () => {
    const { gate, engine, processes } = container();
    processes.paused.add(100);
    await gate.warm(100);
    assert.equal(engine.dumps, 0);
  });

  it('when the dump over the warm copy fails, the ghost is copied anew', async () => {
    const { gate, engine, names, context } = container();
    engine.onDump = () => {
      if (engine.over.at(-1)) throw errno('ENOMEM', 'no memory to compare');
    };
    await gate.warm(100);
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false, true, false]);
    assert.deepEqual(names(), afterDump);
    assert.ok(
      context.lines.some(line => /^warn .*could not be copied over .*no memory.*, trying again/.test(line)),
    );
  });

  it('when another process has removed the warm copy, the ghost is copied anew', async () => {
    const { gate, engine, files, ours, names } = container();
    await gate.warm(100);
    files.remove(ours()[0] ?? '');
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false, false]);
    assert.deepEqual(names(), afterDump);
  });

  it('when the ghost has become small, it is dumped over its warm copy, which is cut to its size', async () => {
    const { gate, engine, ghost, names, ours, files } = container();
    await gate.warm(100);
    ghost.stat = { ...ghost.stat, size: 5n, allocated: 4096n };
    ghost.content = Buffer.from('short');
    await gate.checkpoint(100);
    assert.deepEqual(names(), afterDump);
    assert.deepEqual(engine.overTogether, [true, false]);
    assert.ok(files.get(ours().at(-1) ?? '').includes('short'));
  });

  it('when the ghost has been closed, its warm copy is removed before other ghosts need the room', async () => {
    const { gate, engine, processes, ours } = container();
    await gate.warm(100);
    processes.add(100, { fds: { 4: opened(fakeFile({ ino: 2n }), '/data/small (deleted)') } });
    engine.onDump = () => assert.ok(ours().every(name => !name.includes('warm')));
    await gate.checkpoint(100);
    assert.equal(engine.dumps, 2);
  });

  it('when removing a failed warm copy fails too, the checkpoint goes on, and a failed checkpoint leaves no copy', async () => {
    const { gate, engine, files, processes, ours, context } = container();
    processes.add(101, { parent: 100, fds: { 3: opened(fakeFile({ ino: 5n, ...large }), '/b (deleted)') } });
    const remove = files.remove.bind(files);
    let broken = 0;
    engine.onDump = count => {
      if (count < 2) return;
      files.remove = path => {
        files.remove = remove;
        broken += 1;
        throw errno('EIO', path);
      };
      throw errno('EIO', 'cannot read the ghost');
    };
    await gate.warm(100);
    assert.equal(broken, 1);
    assert.ok(context.lines.some(line => /^info ghost .* is not copied before the freeze: EIO/.test(line)));
    await gate.finish(-1);
    assert.ok(ours().every(name => !name.endsWith('-1.img')));
  });

  it('when CRIU names no process, no warm copy is left', async () => {
    const { gate, ours, files } = container();
    await gate.warm(100);
    await gate.finish(0);
    assert.deepEqual(ours(), []);
    assert.ok(!files.exists('/img/ghostkeep'));
  });

  it('when the warm copy fails, no part of it is left, and the ghost is copied during the freeze', async () => {
    const { gate, engine, ours, names, context } = container();
    engine.onDump = count => {
      if (count === 1) throw errno('EIO', 'cannot read the ghost');
    };
    await gate.warm(100);
    assert.deepEqual(ours(), []);
    assert.ok(context.lines.some(line => /^info ghost .*large.* is not copied before/.test(line)));
    await gate.checkpoint(100);
    assert.deepEqual(names(), afterDump.map(name => name.replace('warm', 'pending')).sort());
    assert.deepEqual(engine.over, [false, false]);
  });

  it('when warm copies would take more than half of the free space, none is made', async () => {
    const { gate, files, engine, context } = container();
    files.free = (144n << 20n) + 16383n;
    await gate.warm(100);
    assert.equal(engine.dumps, 0);
    assert.ok(
      context.lines.some(line =>
        /^info ghosts are not copied before the freeze: .* of the 144 MiB free/.test(line),
      ),
    );
    files.free = (144n << 20n) + 16384n;
    await gate.warm(100);
    assert.equal(engine.dumps, 1);
    const unknown = container();
    unknown.files.free = undefined;
    await unknown.gate.warm(100);
    assert.equal(unknown.engine.dumps, 1);
  });

  it('when there is no room for warm copies, ghosts that will be shared by reflink are still written back', async () => {
    const { gate, files, engine, ours } = container({}, 'xfs');
    engine.found = [{ offset: 0n, length: 64n << 20n, kind: 'data' }];
    files.free = 1n << 20n;
    await gate.warm(100);
    assert.equal(engine.written, 1);
    assert.equal(engine.dumps, 0);
    assert.deepEqual(ours(), []);
  });

  it('when the disk fills up during the warm pass, no other ghost is copied', async () => {
    const { gate, engine, processes, ours } = container();
    const more = fakeFile({ ino: 5n, ...large });
    processes.add(101, {
      parent: 100,
      fds: { 3: opened(more, '/a (deleted)'), 4: opened(more, '/b (deleted)') },
    });
    for (const n of [6n, 7n, 8n, 9n])
      processes.add(100 + Number(n), {
        parent: 100,
        fds: { 3: opened(fakeFile({ ino: n, ...large }), `/${n} (deleted)`) },
      });
    engine.onDump = () => {
      throw errno('ENOSPC', 'no space left');
    };
    await gate.warm(100);
    assert.ok(engine.dumps <= availableParallelism());
    assert.deepEqual(ours(), []);
  });

  it('when the process is gone, the warm pass does nothing and the dump reports the error', async () => {
    const { gate, ours } = container();
    await gate.warm(4711);
    assert.deepEqual(ours(), []);
  });

  it('when an earlier dump lies in the directory, the warm pass leaves it in place', async () => {
    const { gate, files, ours } = container();
    files.put('/img/ghostkeep-manifest.json', 'old');
    files.put('/img/ghostkeep/pending-9.img', 'old');
    await gate.warm(100);
    await gate.finish(-1);
    assert.deepEqual(ours(), ['/img/ghostkeep-manifest.json', '/img/ghostkeep/pending-9.img']);
  });

  it('when an earlier dump lies in the directory, its files are gone after the dump', async () => {
    const { gate, files, names } = container();
    files.put('/img/ghostkeep-manifest.json', 'old');
    files.put('/img/ghostkeep/pending-9.img', 'old');
    files.put('/img/ghostkeep/warm-0123456789ab-1.img', 'old');
    await gate.warm(100);
    await gate.checkpoint(100);
    assert.deepEqual(names(), afterDump);
  });
});

/** A process with COUNT small ghosts. */
function containerOf(count: number, config: object = {}) {
  const all = container(config);
  const ghosts = Array.from({ length: count }, (_, n) => fakeFile({ ino: BigInt(n + 1) }));
  all.processes.add(100, {
    mounts: [fakeMount(30, { filesystem: 'ext4' })],
    fds: Object.fromEntries(ghosts.map((ghost, n) => [n + 3, opened(ghost, `/data/${n} (deleted)`)])),
  });
  return { ...all, ghosts };
}

const many = 32;

describe('the warm pass of many small ghosts', () => {
  it('when there are many small ghosts, they are copied before the freeze, and during the freeze over those copies', async () => {
    const { gate, engine, processes, ghosts, names, files, ours, context } = containerOf(many);
    await gate.warm(100);
    assert.equal(ours().length, many);
    assert.equal(processes.pins.size, 0);
    for (const ghost of ghosts) ghost.content = Buffer.from('another');
    await gate.checkpoint(100);
    // The dump over the copies is tried once before the freeze.
    assert.deepEqual(engine.overTogether, [...Array(many).fill(false), ...Array(2 * many).fill(true)]);
    assert.deepEqual(
      context.lines.filter(line => /rehearsal failed|not copied|not all/.test(line)),
      [],
    );
    assert.equal(names().length, many + 2);
    for (const name of ours().slice(2)) {
      assert.match(name, /warm-[0-9a-f]{12}-[0-9a-f]+\.img$/);
      assert.ok(files.get(name).includes('another'));
    }
    assert.equal(processes.pins.size, 0);
  });

  it('when there are few small ghosts, none is copied before the freeze', async () => {
    const { gate, engine, ours } = containerOf(many - 1);
    await gate.warm(100);
    assert.equal(engine.dumps, 0);
    assert.deepEqual(ours(), []);
  });

  it('when one of many small ghosts cannot be copied before the freeze, the dump copies it anew, and the others over their copies', async () => {
    const { gate, engine, ours } = containerOf(many);
    engine.onDump = count => {
      if (count === 3) throw errno('EIO', 'cannot read the ghost');
    };
    await gate.warm(100);
    assert.equal(ours().length, many - 1);
    await gate.checkpoint(100);
    assert.equal(engine.overTogether.slice(many).filter(over => over).length, many - 1);
    assert.ok(ours().includes('/img/ghostkeep/pending-3.img'));
  });

  it('when the dump over a warm copy fails, the ghost is copied anew', async () => {
    const { gate, engine, files, ours } = containerOf(many);
    await gate.warm(100);
    engine.onDump = count => {
      if (count === 2 * many + 5) throw errno('ENOMEM', 'no memory to compare');
    };
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false]);
    assert.equal(ours().length, many + 2);
    const { ghosts } = JSON.parse(files.get('/img/ghostkeep/journal.json').toString());
    assert.deepEqual(
      ghosts.flatMap((ghost: { data: { kept?: number } }, n: number) =>
        ghost.data.kept === undefined ? [n] : [],
      ),
      [4],
    );
  });

  it('when one of many small ghosts cannot be pinned, or is another file by now, the others are copied', async () => {
    const { gate, processes, ours } = containerOf(many);
    processes.add(101, {
      parent: 100,
      fds: { 3: opened(fakeFile({ ino: 51n }), '/small (deleted)') },
      fails: { 'pin fd/3': 'EACCES' },
    });
    await gate.warm(100);
    assert.equal(ours().length, many);
    assert.equal(processes.pins.size, 0);
  });

  it('when small ghosts cannot be copied at all, large ones are copied all the same', async () => {
    const { gate, processes, engine, ours, context } = containerOf(many);
    processes.add(101, {
      parent: 100,
      fds: { 3: opened(fakeFile({ ino: 50n, ...large }), '/large (deleted)') },
    });
    engine.dumpMany = () => {
      throw errno('EIO', 'no folder');
    };
    await gate.warm(100);
    assert.ok(context.lines.some(line => /^info small ghosts are not copied before.*no folder/.test(line)));
    assert.equal(ours().length, 1);
    assert.equal(processes.pins.size, 0);
  });

  it('when the disk fills up during the warm pass, no further ghost is copied', async () => {
    const { gate, engine, ours, context } = containerOf(600);
    engine.onDump = count => {
      if (count === 2) throw errno('ENOSPC', 'no space left');
    };
    await gate.warm(100);
    assert.ok(engine.dumps <= 256);
    assert.equal(ours().length, engine.dumps - 1);
    assert.ok(context.lines.some(line => /^info not all small ghosts are copied.*no space left/.test(line)));
  });

  it('when a ghost of few bytes has much space allocated, it is copied once, and a failed checkpoint leaves no image', async () => {
    const { gate, engine, processes, ours, files } = containerOf(many);
    processes.add(101, {
      parent: 100,
      fds: { 3: opened(fakeFile({ ino: 50n, size: 5n, allocated: 8n << 20n }), '/both (deleted)') },
    });
    await gate.warm(100);
    assert.equal(engine.overTogether.filter(over => !over).length, many);
    assert.deepEqual(engine.over, [false]);
    await gate.finish(1);
    assert.deepEqual(ours(), []);
    assert.ok(!files.exists('/img/ghostkeep'));
  });

  it('when a small ghost has grown large, its warm copy is not used', async () => {
    const { gate, engine, ghosts } = containerOf(many);
    await gate.warm(100);
    const [first] = ghosts as [(typeof ghosts)[0]];
    first.content = Buffer.alloc(300_000, 1);
    first.stat = { ...first.stat, size: 300_000n };
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false]);
  });

  it('when others may write to the working folder, nothing is copied into it before the freeze, and nothing in it is used', async () => {
    const { gate, engine, files, context } = containerOf(many);
    const statPath = files.statPath.bind(files);
    files.put('/img/ghostkeep/precious', 'old');
    files.folders.add('/img/ghostkeep');
    files.statPath = path =>
      path === '/img/ghostkeep' ? { ...statPath(path), mode: 0o40777 } : statPath(path);
    await gate.warm(100);
    assert.equal(engine.dumps, 0);
    assert.ok(files.exists('/img/ghostkeep/precious'));
    assert.ok(context.lines.some(line => /others may write to \/img\/ghostkeep/.test(line)));
  });

  it('when others could write to the working folder after the warm pass, the dump makes a new folder and copies every ghost anew', async () => {
    const { gate, engine, files } = containerOf(many);
    await gate.warm(100);
    const before = engine.overTogether.length;
    const statPath = files.statPath.bind(files);
    files.statPath = path =>
      path === '/img/ghostkeep' ? { ...statPath(path), mode: 0o120777 } : statPath(path);
    await gate.checkpoint(100);
    assert.ok(!engine.over.includes(true));
    assert.deepEqual(engine.overTogether.slice(before), Array(many).fill(false));
  });

  it('when the images get digests, each ghost is dumped over its warm copy in a call of its own', async () => {
    const { gate, engine } = containerOf(many, { verify: 'digest' });
    await gate.warm(100);
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, Array(many).fill(true));
  });

  it('when there is no room for warm copies, none is made', async () => {
    const { gate, engine, files } = containerOf(many);
    files.free = 1n << 20n;
    await gate.warm(100);
    assert.equal(engine.dumps, 0);
  });
});

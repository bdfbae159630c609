import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GateDump } from '../../../src/flows/gate.js';
import { configPath } from '../../../src/flows/policy.js';
import { fakeContext, fakeFile, fakeMount, opened } from '../fake-host.js';
import { errno } from '../fake-processes.js';

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
    },
  });
  const ours = () => Object.keys(files.snapshot()).filter(name => name.startsWith(images));
  return { context, files, processes, engine, ghost, ours, gate: new GateDump(context, images) };
}

const afterDump = [
  '/img/ghostkeep/journal.json',
  '/img/ghostkeep/pending-1.img',
  '/img/ghostkeep/pending-2.img',
  '/img/ghostkeep/reserve',
];

describe('the warm pass', () => {
  it('when a ghost is large, it is copied before the freeze, and over that copy when all is frozen', async () => {
    const { gate, engine, processes, ghost, ours, files } = container();
    await gate.warm(100);
    assert.deepEqual(ours(), ['/img/ghostkeep/warm-1.img']);
    assert.equal(processes.pins.size, 0);
    ghost.content = Buffer.from('another');
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false, true]);
    assert.deepEqual(ours(), afterDump);
    assert.ok(files.get('/img/ghostkeep/pending-1.img').includes('another'));
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

  it('when the policy cannot be read, that is for the dump to say', async () => {
    const { gate, files } = container();
    files.put(configPath, '{"warm":"perhaps"}');
    await gate.warm(100);
    await assert.rejects(gate.checkpoint(100), { code: 'BAD_POLICY' });
  });

  it('when blocks are shared, only dirty pages are written out, and the dump shares anew', async () => {
    const { gate, engine, ours } = container({}, 'xfs');
    engine.ways = ['reflink'];
    await gate.warm(100);
    assert.equal(engine.written, 1);
    assert.deepEqual(ours(), []);
    await gate.checkpoint(100);
    assert.deepEqual(engine.over, [false, false]);
  });

  it('when the copy fails, nothing of it is left, and the dump does without', async () => {
    const { gate, engine, ours, context } = container();
    engine.onDump = count => {
      if (count === 1) throw errno('EIO', 'cannot read the ghost');
    };
    await gate.warm(100);
    assert.deepEqual(ours(), []);
    assert.ok(context.lines.some(line => /^info ghost .*large.* is not copied before/.test(line)));
    await gate.checkpoint(100);
    assert.deepEqual(ours(), afterDump);
    assert.deepEqual(engine.over, [false, false]);
  });

  it('when the disk would be fuller than the policy likes, the copy goes again', async () => {
    const { gate, files, ours, context } = container({ reserve: '1G' });
    files.free = 1n << 20n;
    await gate.warm(100);
    assert.deepEqual(ours(), []);
    assert.ok(context.lines.some(line => /^info what could not be copied .*the policy reserves/.test(line)));
  });

  it('when the process is gone, that is for the dump to say', async () => {
    const { gate, ours } = container();
    await gate.warm(4711);
    assert.deepEqual(ours(), []);
  });

  it('when an earlier dump lies in the directory, it stays until all is frozen', async () => {
    const { gate, files, ours } = container();
    files.put('/img/ghostkeep/manifest.json', 'old');
    files.put('/img/ghostkeep/pending-9.img', 'old');
    await gate.warm(100);
    await gate.finish(-1);
    assert.deepEqual(ours(), ['/img/ghostkeep/manifest.json', '/img/ghostkeep/pending-9.img']);
  });

  it('when an earlier dump lies in the directory, nothing of it passes for this one', async () => {
    const { gate, files, ours } = container();
    files.put('/img/ghostkeep/manifest.json', 'old');
    files.put('/img/ghostkeep/pending-9.img', 'old');
    files.put('/img/ghostkeep/warm-1.img', 'old');
    await gate.warm(100);
    await gate.checkpoint(100);
    assert.deepEqual(ours(), afterDump);
  });
});

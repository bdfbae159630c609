import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { configPath } from '../../../../src/flows/container/policy.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { readManifest } from '../../../../src/image/manifest.js';
import { filesImage, regFile } from '../../criu/images.js';
import { errno, fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';

const images = '/img';
const dev = makeDev(0n, 47n);
const MiB = 1n << 20n;
const shm = (id: number) =>
  fakeMount(id, { dev, filesystem: 'tmpfs', mountPoint: Buffer.from('/dev/shm'), root: Buffer.from('/') });

/** A container that shares files of these sizes on a /dev/shm from outside. */
function container(sizes: bigint[], { config = {}, ghost = false } = {}) {
  const context = fakeContext();
  const { files, processes, engine } = context.host;
  files.folders.add(images);
  files.put(configPath, JSON.stringify(config));
  processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts: [shm(9)] });
  const named = sizes.map((size, at) =>
    opened(fakeFile({ dev, nlink: 1, ino: BigInt(at + 1), size, allocated: size }), `/dev/shm/${at + 1}`, {
      mount: 40,
    }),
  );
  const gone = ghost ? [opened(fakeFile({ ino: 99n }), '/data/tmp (deleted)')] : [];
  processes.add(100, {
    mounts: [fakeMount(30), shm(40)],
    fds: Object.fromEntries([...named, ...gone].map((one, at) => [at + 3, one])),
  });
  const warnings = () => context.lines.filter(line => line.startsWith('warn'));
  const kept = () => readManifest(files, images).ghosts.map(({ path, image }) => `${path} ${image}`);
  const ours = () => Object.keys(files.snapshot()).filter(name => name.startsWith(images));
  /** CRIU has dumped all named files by their names. */
  const end = async (gate: GateDump, keys: string[]) => {
    files.put(
      `${images}/files.img`,
      filesImage(...keys.map((name, at) => regFile({ id: at + 1, name, ext: true }))),
    );
    await gate.finish(0);
  };
  return {
    context,
    files,
    processes,
    engine,
    named,
    warnings,
    kept,
    ours,
    end,
    gate: new GateDump(context, images),
  };
}

const small = 4096n;

describe('copies of named files on a shared /dev/shm', () => {
  it('CRIU gets no key of them, and the dump is sealed with their content', async () => {
    const { gate, kept, end, warnings } = container([small, small]);
    assert.deepEqual(await gate.checkpoint(100), []);
    await end(gate, []);
    assert.deepEqual(kept(), ['/dev/shm/1 ghostkeep-linked-1.img', '/dev/shm/2 ghostkeep-linked-2.img']);
    assert.deepEqual(warnings(), []);
  });

  it('beside a ghost they have numbers of their own, and CRIU gets the key of the ghost alone', async () => {
    const { gate, kept, end } = container([small], { ghost: true });
    assert.deepEqual(await gate.checkpoint(100), ['file[1e:63]']);
    await end(gate, ['file[1e:63]']);
    assert.deepEqual(kept(), ['/data/tmp ghost-file-1.img', '/dev/shm/1 ghostkeep-linked-2.img']);
  });

  it('one that cannot be copied is named in a warning, and the dump keeps the others', async () => {
    const { gate, kept, end, warnings, processes } = container([small, small]);
    const { pinAll } = processes;
    processes.pinAll = links =>
      pinAll.call(processes, links).map((pin, at) => (at === 0 ? { error: errno('EACCES') } : pin));
    assert.deepEqual(await gate.checkpoint(100), []);
    await end(gate, []);
    assert.deepEqual(kept(), ['/dev/shm/2 ghostkeep-linked-1.img']);
    assert.match(warnings().join(), /^warn \/dev\/shm\/1 is not copied, so it can be restored only where/);
  });

  it('one that changes while it is copied is not tried again, does not fail the dump, and leaves nothing', async () => {
    const large = (1n << 20n) + 1n;
    const { gate, ours, warnings, processes, engine } = container([large]);
    const { statPin } = processes;
    let ctimeNs = 0n;
    processes.statPin = fd => ({ ...statPin.call(processes, fd), ctimeNs: ++ctimeNs });
    assert.deepEqual(await gate.checkpoint(100), []);
    assert.match(warnings().join(), /^warn \/dev\/shm\/1 is not copied, .* written to while it is copied/);
    assert.equal(engine.dumps, 1);
    assert.deepEqual(ours(), []);
  });

  it('one over the limit of the policy, which would fail the dump of a ghost, is left out', async () => {
    const { gate, warnings } = container([8n * MiB], { config: { limit: '4M' } });
    await gate.warm(100);
    assert.deepEqual(await gate.checkpoint(100), []);
    assert.match(warnings().join(), /\/dev\/shm\/1 is not copied, .* its 8 MiB are over the policy's limit/);
  });

  it('what leaves no room for the memory that CRIU still has to write is left out', async () => {
    const { gate, files, processes, kept, end, warnings } = container([64n * MiB, small]);
    files.free = 100n * MiB;
    processes.memory.set(100, 60n * MiB);
    assert.deepEqual(await gate.checkpoint(100), []);
    await end(gate, []);
    assert.deepEqual(kept(), ['/dev/shm/2 ghostkeep-linked-1.img']);
    assert.match(warnings().join(), /\/dev\/shm\/1 is not copied, .* it has 64 MiB, and CRIU may need/);
  });

  it('an image from before the freeze goes, where it takes the room that CRIU needs', async () => {
    const { gate, files, processes, ours } = container([64n * MiB], { ghost: true });
    await gate.warm(100);
    assert.equal(ours().filter(name => name.includes('warm-')).length, 1);
    files.free = 20n * MiB;
    processes.memory.set(100, 60n * MiB);
    assert.deepEqual(await gate.checkpoint(100), ['file[1e:63]']);
    assert.deepEqual(
      ours(),
      ['journal.json', 'pending-1.img', 'reserve'].map(name => `/img/ghostkeep/${name}`),
    );
  });

  it('a large one is copied before the freeze, and the dump goes over that image', async () => {
    const { gate, files, end } = container([64n * MiB]);
    await gate.warm(100);
    await gate.checkpoint(100);
    await end(gate, []);
    const [entry] = readManifest(files, images).ghosts;
    assert.equal(entry?.image, 'ghostkeep-linked-1.img');
    assert.notEqual(entry?.data?.kept, undefined);
  });

  it('a policy that is switched off copies none of them', async () => {
    const { gate, ours } = container([small], { config: { enabled: false } });
    assert.deepEqual(await gate.checkpoint(100), []);
    await gate.finish(0);
    assert.deepEqual(ours(), []);
  });

  it('more than 4000 of them do not fail the dump, and a warning names the first that is left out', async () => {
    const { gate, kept, end, warnings } = container(Array<bigint>(4002).fill(small));
    await gate.checkpoint(100);
    await end(gate, []);
    assert.equal(kept().length, 4000);
    assert.match(
      warnings().join(),
      /\/dev\/shm\/4001 is not copied, .* 2 such files are more than the 4000 that one/,
    );
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GhostkeepError } from '../../../../src/base/errors.js';
import { makeDev } from '../../../../src/base/units.js';
import { configPath } from '../../../../src/flows/container/policy.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { readManifest } from '../../../../src/image/manifest.js';
import { filesImage, regFile } from '../../criu/images.js';
import { ghostkeepError } from '../../expect.js';
import { errno, fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';

const images = '/img';
const dev = makeDev(0n, 47n);
const MiB = 1n << 20n;
const shm = (id: number) =>
  fakeMount(id, { dev, filesystem: 'tmpfs', mountPoint: Buffer.from('/dev/shm'), root: Buffer.from('/') });

/** A container that shares files of these sizes on a /dev/shm from outside. */
function container(sizes: bigint[], { config = {}, ghost = false, more = {}, manager = '' } = {}) {
  const context = fakeContext();
  const { files, processes, engine } = context.host;
  files.folders.add(images);
  files.put(configPath, JSON.stringify(config));
  const podman = manager === 'podman';
  const point = manager
    ? `/var/lib/containers/storage/overlay-containers/${'0'.repeat(64)}/userdata/shm`
    : '/run/pod/shm';
  const outside = { ...shm(9), mountPoint: Buffer.from(point) };
  const inRoot = { [point]: fakeFile({ dev, mode: 0o041777, ino: 1_000_000n }) };
  processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts: [outside], inRoot });
  processes.add(50, {
    namespace: 'mnt:[1]',
    parent: 1,
    commandLine: [
      'conmon',
      '-b',
      '/b',
      '--persist-dir',
      '/p',
      ...(podman ? ['--exit-command', 'podman'] : []),
    ],
  });
  const named = sizes.map((size, at) =>
    opened(fakeFile({ dev, nlink: 1, ino: BigInt(at + 1), size, allocated: size }), `/dev/shm/${at + 1}`, {
      mount: 40,
    }),
  );
  const gone = ghost ? [opened(fakeFile({ ino: 99n }), '/data/tmp (deleted)')] : [];
  processes.add(100, {
    parent: 50,
    mounts: [fakeMount(30), shm(40)],
    ...more,
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
const accepting = { allowMissing: true };
const isRefused =
  (path: string, ...named: string[]) =>
  (error: unknown) => {
    assert.equal((error as GhostkeepError).subject, path);
    return ghostkeepError('SHM_NOT_KEPT', path, 'the container runs on', ...named)(error);
  };

/** Two files, of which the first cannot be opened. */
function withoutFirst(options: Parameters<typeof container>[1]) {
  const made = container([small, small], options);
  const { processes } = made;
  const { pinAll } = processes;
  processes.pinAll = links =>
    pinAll.call(processes, links).map((pin, at) => {
      if (at > 0 || !('fd' in pin)) return pin;
      processes.unpin(pin.fd);
      return { error: errno('EACCES') };
    });
  return made;
}

describe('copies of named files on a shared /dev/shm', () => {
  it('named files on /dev/shm are copied and sealed, and CRIU gets no key of them', async () => {
    const { gate, kept, end, warnings } = container([small, small]);
    assert.deepEqual(await gate.checkpoint(100), []);
    await end(gate, []);
    assert.deepEqual(kept(), ['/dev/shm/1 ghostkeep-linked-1.img', '/dev/shm/2 ghostkeep-linked-2.img']);
    assert.deepEqual(warnings(), []);
  });

  it('named files beside a ghost have numbers of their own, and CRIU gets only the key of the ghost', async () => {
    const { gate, kept, end } = container([small], { ghost: true });
    assert.deepEqual(await gate.checkpoint(100), ['file[1e:63]']);
    await end(gate, ['file[1e:63]']);
    assert.deepEqual(kept(), ['/data/tmp ghost-file-1.img', '/dev/shm/1 ghostkeep-linked-2.img']);
  });

  for (const manager of ['', 'cri-o'])
    it(`a named file that cannot be opened refuses the dump, and no descriptor of the others stays, under ${manager || 'no manager'}`, async () => {
      const { gate, ours, processes } = withoutFirst({ manager });
      await assert.rejects(
        gate.checkpoint(100),
        isRefused(
          '/dev/shm/1',
          'process 100 has open as descriptor 3',
          'it cannot be opened',
          'allowMissing',
        ),
      );
      assert.deepEqual([processes.pins.size, ours()], [0, []]);
    });

  for (const options of [{ config: accepting }, { manager: 'podman' }])
    it(`a named file that cannot be opened is only named in a warning with ${JSON.stringify(options)}`, async () => {
      const { gate, kept, end, warnings } = withoutFirst(options);
      assert.deepEqual(await gate.checkpoint(100), []);
      await end(gate, []);
      assert.deepEqual(kept(), ['/dev/shm/2 ghostkeep-linked-1.img']);
      assert.match(warnings().join(), /^warn \/dev\/shm\/1 is not copied, so it can be restored only where/);
    });

  for (const config of [{}, accepting])
    it(`a named file that changes while it is copied is tried once, and its copy is removed, with ${JSON.stringify(config)}`, async () => {
      const { gate, ours, warnings, processes, engine } = container([MiB + 1n], { config });
      const { statPin } = processes;
      let ctimeNs = 0n;
      processes.statPin = fd => ({ ...statPin.call(processes, fd), ctimeNs: ++ctimeNs });
      const dumped = gate.checkpoint(100);
      if (config === accepting) assert.deepEqual(await dumped, []);
      else await assert.rejects(dumped, isRefused('/dev/shm/1', 'it is written to while it is copied'));
      const warned = /^warn \/dev\/shm\/1 is not copied, .* written to while it is copied/;
      assert.equal(warned.test(warnings().join()), config === accepting);
      assert.equal(engine.dumps, 1);
      assert.deepEqual(ours(), []);
    });

  it('a named file over the limit of the policy refuses the dump, unless the policy accepts that it is missing', async () => {
    const refused = container([8n * MiB], { config: { limit: '4M' } });
    await assert.rejects(
      refused.gate.checkpoint(100),
      isRefused('/dev/shm/1', "its 8 MiB are over the policy's limit"),
    );
    const { gate, warnings } = container([8n * MiB], { config: { limit: '4M', ...accepting } });
    await gate.warm(100);
    assert.deepEqual(await gate.checkpoint(100), []);
    assert.match(warnings().join(), /\/dev\/shm\/1 is not copied, .* its 8 MiB are over the policy's limit/);
  });

  it("a named file that may leave too little room for CRIU's memory is copied all the same; if room lacks, CRIU fails", async () => {
    const { gate, files, processes, kept, end } = container([64n * MiB]);
    files.free = 100n * MiB;
    processes.memory.set(100, 60n * MiB);
    await gate.checkpoint(100);
    await end(gate, []);
    assert.deepEqual(kept(), ['/dev/shm/1 ghostkeep-linked-1.img']);
  });

  it('a named file without room is left out where the policy accepts that it is missing', async () => {
    const { gate, files, processes, kept, end, warnings } = container([64n * MiB, small], {
      config: accepting,
    });
    files.free = 100n * MiB;
    processes.memory.set(100, 60n * MiB);
    assert.deepEqual(await gate.checkpoint(100), []);
    await end(gate, []);
    assert.deepEqual(kept(), ['/dev/shm/2 ghostkeep-linked-1.img']);
    assert.match(warnings().join(), /\/dev\/shm\/1 is not copied, .* it has 64 MiB, and CRIU may need/);
  });

  it('when the warm image of a named file takes the room that CRIU needs, the image is removed', async () => {
    const { gate, files, processes, ours } = container([64n * MiB], { ghost: true, config: accepting });
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

  it('a large named file is copied before the freeze, and during the freeze over that image', async () => {
    const { gate, files, end } = container([64n * MiB]);
    await gate.warm(100);
    await gate.checkpoint(100);
    await end(gate, []);
    const [entry] = readManifest(files, images).ghosts;
    assert.equal(entry?.image, 'ghostkeep-linked-1.img');
    assert.notEqual(entry?.data?.kept, undefined);
  });

  it('when the copy of a named file from before the freeze is gone, the file is copied anew', async () => {
    const { gate, files, ours, kept, end } = container([64n * MiB]);
    await gate.warm(100);
    for (const name of ours().filter(each => each.includes('warm-'))) files.remove(name);
    await gate.checkpoint(100);
    await end(gate, []);
    assert.deepEqual(kept(), ['/dev/shm/1 ghostkeep-linked-1.img']);
  });

  it('when the policy is off, no named file is copied', async () => {
    const { gate, ours } = container([small], { config: { enabled: false } });
    assert.deepEqual(await gate.checkpoint(100), []);
    await gate.finish(0);
    assert.deepEqual(ours(), []);
  });

  it('more than 4000 named files refuse the dump, unless the policy accepts that some are missing', async () => {
    const many = Array<bigint>(4002).fill(small);
    await assert.rejects(
      container(many).gate.checkpoint(100),
      isRefused('/dev/shm/4001', '2 such files are'),
    );
    const { gate, kept, end, warnings } = container(many, { config: accepting });
    await gate.checkpoint(100);
    await end(gate, []);
    assert.equal(kept().length, 4000);
    assert.match(
      warnings().join(),
      /\/dev\/shm\/4001 is not copied, .* 2 such files are more than the 4000 that one/,
    );
  });

  it('an open folder, FIFO or working directory on /dev/shm refuses the dump: CRIU cannot restore it in another pod', async () => {
    const at = (mode: number) =>
      opened(fakeFile({ dev, nlink: 1, ino: 7n, mode }), '/dev/shm/x', { mount: 40 });
    const cwd = container([], { more: { cwd: at(0o040755) } });
    await assert.rejects(
      cwd.gate.checkpoint(100),
      isRefused('/dev/shm/x', 'process 100 has as its working directory', 'the folder is not there'),
    );
    for (const mode of [0o040755, 0o010644]) {
      const maps = [{ address: '1000-2000', opened: at(mode) }];
      await assert.rejects(container([], { more: { maps } }).gate.checkpoint(100), isRefused('/dev/shm/x'));
      const accepted = container([], { more: { maps }, config: accepting });
      assert.deepEqual(await accepted.gate.checkpoint(100), []);
      assert.match(accepted.warnings().join(), /^warn \/dev\/shm\/x is not copied/);
      const off = container([], { more: { maps }, config: { enabled: false } });
      assert.deepEqual(await off.gate.checkpoint(100), []);
    }
  });

  it('an open folder on /dev/shm that comes back with a copied file in it does not refuse the dump', async () => {
    const folder = (name: string) =>
      opened(fakeFile({ dev, nlink: 1, ino: 7n, mode: 0o040755 }), name, { mount: 40 });
    const inner = opened(fakeFile({ dev, nlink: 1, ino: 8n }), '/dev/shm/folder/file', { mount: 40 });
    const maps = [{ address: '1000-2000', opened: inner }];
    const { gate } = container([], { more: { cwd: folder('/dev/shm/folder'), maps } });
    assert.deepEqual(await gate.checkpoint(100), []);
    const beside = container([], { more: { cwd: folder('/dev/shm/fold'), maps } });
    await assert.rejects(beside.gate.checkpoint(100), isRefused('/dev/shm/fold'));
  });

  for (const name of ['cipher.img', 'streamer-capture.sock'])
    it(`when ${name} is there, no named file is copied and the dump is refused, unless the policy accepts that`, async () => {
      const { gate, files } = container([small]);
      files.put(`${images}/${name}`, '');
      await assert.rejects(gate.checkpoint(100), isRefused('/dev/shm/1', 'streamed or encrypted'));
      const accepted = container([small], { config: accepting });
      accepted.files.put(`${images}/${name}`, '');
      assert.deepEqual(await accepted.gate.checkpoint(100), []);
      assert.match(accepted.warnings().join(), /\/dev\/shm\/1 is not copied, .*streamed or encrypted/);
      const off = container([small], { config: { enabled: false } });
      off.files.put(`${images}/${name}`, '');
      assert.deepEqual(await off.gate.checkpoint(100), []);
    });

  it('dump asks once, and not for each of a thousand named files, whether Podman keeps them', async () => {
    const { gate, processes, warnings } = container(Array(1000).fill(8n * MiB), {
      config: { limit: '4M' },
      manager: 'podman',
    });
    let asked = 0;
    const { commandLine } = processes;
    processes.commandLine = pid => {
      asked += 1;
      return commandLine.call(processes, pid);
    };
    await gate.checkpoint(100);
    assert.equal(warnings().length, 1000);
    assert.ok(asked < 20, String(asked));
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ManifestGhost } from '../../../../src/base/documents/generated/manifest.js';
import { GateRestore } from '../../../../src/flows/gate/gate-restore.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { filesImage } from '../../criu/images.js';
import { ghostkeepError } from '../../expect.js';
import { errno, fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';

const images = '/img';
const entryAt = (path: string, values: Partial<ManifestGhost> = {}) =>
  aManifestGhost({
    paths: [{ key: 'file[1e:1]', mount: 30, path }],
    path,
    xattrs: { [`user.${path}`]: '' },
    ...values,
  });

/** A restored process with PID 100, and what is set on which of its descriptors. */
function restored(
  ghosts: ManifestGhost[],
  names: Record<number, string>,
  size = 5,
  preserveAllocation?: boolean,
) {
  const context = fakeContext();
  const { files, processes, engine } = context.host;
  files.put(
    `${images}/ghostkeep-manifest.json`,
    JSON.stringify(
      aManifest({ ghosts, ...(preserveAllocation === undefined ? {} : { preserveAllocation }) }),
    ),
  );
  processes.add(100, {
    tracer: 50,
    fds: Object.fromEntries(
      Object.entries(names).map(([fd, name]) => [
        fd,
        opened(fakeFile({ ino: BigInt(fd) + 1000n, content: Buffer.alloc(size) }), `${name} (deleted)`),
      ]),
    ),
  });
  const set: string[] = [];
  const nameOf = (fd: number) => processes.pins.get(fd)?.name.toString().replace(' (deleted)', '');
  engine.setXattr = (fd, name) => void set.push(`${nameOf(fd)}: ${name.toString()}`);
  engine.allocate = (fd, offset, length) => void set.push(`${nameOf(fd)}: [${offset}, +${length})`);
  engine.setTimes = (fd, atime, mtime) => void set.push(`${nameOf(fd)}: ${atime} ${mtime}`);
  files.setOwner = () => assert.fail('the owner is what CRIU restored');
  files.setMode = () => assert.fail('the mode is what CRIU restored');
  return { context, set, gate: new GateRestore(context, images, () => undefined) };
}

describe('GateRestore.prepare', () => {
  /** Lists the processes that two calls of prepare() search, with or without a check before them. */
  async function searched(check: boolean) {
    const { gate, context } = restored([], {});
    const { processes, files } = context.host;
    files.put(`${images}/files.img`, filesImage());
    if (check) await gate.check();
    const looked: number[] = [];
    processes.maps = pid => {
      looked.push(pid);
      throw errno('EIO', 'maps');
    };
    for (const _ of ['restore', 'resumed']) gate.prepare();
    return { looked, self: processes.self() };
  }

  it('after a check, the search is rehearsed once on our own process, and an error in it fails nothing', async () => {
    const { looked, self } = await searched(true);
    assert.deepEqual(looked, [self]);
  });

  it('when no image was checked, the search is not rehearsed', async () => {
    assert.deepEqual((await searched(false)).looked, []);
  });
});

describe('GateRestore.resumed', () => {
  it("when path and size of a restored file are those of one ghost, it gets the ghost's xattrs and times, and no pin is left", async () => {
    const { gate, set, context } = restored([entryAt('/a'), entryAt('/b')], { 3: '/b', 4: '/a' });
    await gate.resumed(100);
    assert.deepEqual(set.sort(), [
      '/a: 1.000000001 2.000000002',
      '/a: user./a',
      '/b: 1.000000001 2.000000002',
      '/b: user./b',
    ]);
    assert.equal(context.host.processes.pins.size, 0);
    assert.deepEqual(context.lines, []);
  });

  it('when another process that CRIU traces holds the restored ghost, the ghost is found there', async () => {
    const { gate, set, context } = restored([entryAt('/a'), entryAt('/b')], { 3: '/a' });
    const ghost = opened(fakeFile({ ino: 9n }), '/b (deleted)');
    context.host.processes.add(101, { tracer: 50, fds: { 5: ghost } });
    context.host.processes.add(200, { fds: { 5: opened(fakeFile({ ino: 8n }), '/a (deleted)') } });
    await gate.resumed(100);
    assert.deepEqual(
      set.filter(line => line.includes('user')),
      ['/a: user./a', '/b: user./b'],
    );
  });

  it('when a restored file has another name or size than the ghost, it is not changed', async () => {
    const name = restored([entryAt('/a')], { 3: '/other' });
    await name.gate.resumed(100);
    const size = restored([entryAt('/a')], { 3: '/a' }, 6);
    await size.gate.resumed(100);
    assert.deepEqual([...name.set, ...size.set], []);
  });

  it("when a live file had taken the ghost's name, the ghost is found by the name that CRIU gave it", async () => {
    const { gate, set } = restored([entryAt('/a'), entryAt('/b')], { 3: '/a.cr_link', 4: '/b' });
    await gate.resumed(100);
    assert.deepEqual(
      set.filter(line => line.includes('user')),
      ['/a.cr_link: user./a', '/b: user./b'],
    );
  });

  it("when the name that CRIU gave a ghost is also another ghost's own name, with the same size, neither ghost is changed", async () => {
    const { gate, set } = restored([entryAt('/a'), entryAt('/a.cr_link')], { 3: '/a.cr_link' });
    await gate.resumed(100);
    assert.deepEqual(set, []);
  });

  it('when two ghosts had the same name and size, neither is changed', async () => {
    const { gate, set } = restored([entryAt('/a'), entryAt('/a')], { 3: '/a', 4: '/a' });
    await gate.resumed(100);
    assert.deepEqual(set, []);
  });

  it('when two restored files have the name of one ghost, neither is changed', async () => {
    const { gate, set } = restored([entryAt('/a')], { 3: '/a', 4: '/a' });
    await gate.resumed(100);
    assert.deepEqual(set, []);
  });

  it('when two ghosts have one name and different sizes, the size tells which one was restored', async () => {
    const { gate, set } = restored([entryAt('/a', { size: 9 }), entryAt('/a')], { 3: '/a' });
    await gate.resumed(100);
    assert.equal(set.length, 2);
  });

  it('when the ghost is linked, it is not changed, because it got its metadata before', async () => {
    const linked = { mountPoint: { path: '/' }, names: [{ path: 'b' }], hostUid: 0, hostGid: 0 };
    const { gate, set } = restored([entryAt('/a', { linked })], { 3: '/a' });
    await gate.resumed(100);
    assert.deepEqual(set, []);
  });

  it('when an attribute is refused, or a ghost cannot be opened, a warning says so and the rest is done', async () => {
    const { gate, context } = restored([entryAt('/a'), entryAt('/b')], { 3: '/a', 4: '/b' });
    context.host.engine.setXattr = () => {
      throw errno('ENOTSUP');
    };
    const { pin } = context.host.processes;
    context.host.processes.pin = (pid, link) => {
      if (link === 'fd/4') throw errno('EACCES');
      return pin.call(context.host.processes, pid, link);
    };
    await gate.resumed(100);
    assert.equal(context.lines.length, 2);
    assert.match(context.lines[0] as string, /^warn could not set user\.\/a \(ENOTSUP\) of \/a again/);
    assert.match(context.lines[1] as string, /^warn could not set metadata \(.*EACCES.*\) of \/b again/);
  });

  it('when the image is not ours, no process is looked at', async () => {
    const context = fakeContext();
    await new GateRestore(context, images, () => undefined).resumed(100);
    assert.deepEqual(context.lines, []);
  });

  it('when the manifest has been damaged since the check, the error says so', async () => {
    const { gate, context } = restored([], {});
    context.host.files.put(`${images}/ghostkeep-manifest.json`, '{');
    await assert.rejects(gate.resumed(100), ghostkeepError('MANIFEST_INVALID'));
  });
});

describe('GateRestore.resumed, where space is to be allocated again', () => {
  const allocation = [{ offset: 8192, length: 4096 }];
  const data = { bytes: 5, chunks: 0, unwritten: 0, imageBytes: 1, fallbacks: 0, ways: [] };
  const grown = (path: string, ranges = allocation) =>
    entryAt(path, { allocated: 8192, data: { ...data, engine: 'seek', ways: [], allocation: ranges } });

  it('when the manifest asks for it, space is allocated through a descriptor for writing, before xattrs and times', async () => {
    const { gate, set, context } = restored([grown('/a'), grown('/b', [])], { 3: '/a', 4: '/b' }, 5, true);
    await gate.resumed(100);
    assert.deepEqual(
      set.filter(line => line.startsWith('/a')),
      ['/a: [8192, +4096)', '/a: user./a', '/a: 1.000000001 2.000000002'],
    );
    assert.deepEqual(context.host.processes.pinned, ['100 fd/3 writable', '100 fd/3', '100 fd/4']);
    assert.equal(context.host.processes.pins.size, 0);
    assert.deepEqual(context.lines, []);
  });

  it('when the manifest does not ask for it, no space is allocated and no file is opened for writing', async () => {
    const { gate, set, context } = restored([grown('/a')], { 3: '/a' });
    await gate.resumed(100);
    assert.ok(!set.some(line => line.includes('[')));
    assert.deepEqual(context.host.processes.pinned, ['100 fd/3']);
  });

  it('when the manifest has no list of ranges, no file is opened for writing, and a warning names files with less space than before', async () => {
    const unknown = (allocated: number) => entryAt('/a', { allocated });
    const { gate, context } = restored([unknown(8192)], { 3: '/a' }, 5, true);
    await gate.resumed(100);
    assert.ok(!context.host.processes.pinned.some(link => link.includes('writable')));
    assert.deepEqual(context.lines, ['warn could not set allocation (not known) of /a again']);
    const enough = restored([unknown(4096)], { 3: '/a' }, 5, true);
    await enough.gate.resumed(100);
    assert.deepEqual(enough.context.lines, []);
  });

  it('when space cannot be allocated, or the file not be opened for writing, a warning says so and the rest is done', async () => {
    for (const code of ['ENOSPC', 'ETXTBSY']) {
      const { gate, set, context } = restored([grown('/a')], { 3: '/a' }, 5, true);
      if (code === 'ETXTBSY') {
        const { pin } = context.host.processes;
        context.host.processes.pin = (pid, link, writable) => {
          if (writable) throw errno(code);
          return pin.call(context.host.processes, pid, link);
        };
      } else {
        context.host.engine.allocate = () => {
          throw errno(code);
        };
      }
      await gate.resumed(100);
      assert.equal(context.lines.length, 1);
      assert.match(
        context.lines[0] as string,
        new RegExp(`^warn could not set allocation \\(.*${code}.*\\) of /a again$`),
      );
      assert.equal(set.length, 2, 'xattrs and times');
      assert.equal(context.host.processes.pins.size, 0);
    }
  });

  it("when the space would take all that is free, or what the host's config.json keeps, a warning says so and the rest is done", async () => {
    for (const [free, config] of [
      [(16n << 20n) + 8191n, undefined],
      [1n << 30n, '{"reserve": "1G"}'],
      [1n << 40n, '{'],
    ] as const) {
      const { gate, set, context } = restored([grown('/a')], { 3: '/a' }, 5, true);
      context.host.files.free = free;
      if (config) context.host.files.put('/etc/ghostkeep/config.json', config);
      await gate.resumed(100);
      assert.match(context.lines.join(), /warn could not set allocation \(.*\) of \/a again$/);
      assert.deepEqual(
        set.filter(line => line.includes('[')),
        [],
      );
      assert.equal(set.length, 2, 'xattrs and times');
    }
  });

  it('when many ghosts ask for a little space each, together they get no more than the image may take', async () => {
    const names = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [index + 3, `/${index}`]));
    const { gate, set, context } = restored(
      Object.values(names).map(name => grown(name)),
      names,
      5,
      true,
    );
    context.host.files.free = (16n << 20n) + 10n * 4096n;
    await gate.resumed(100);
    assert.equal(set.filter(line => line.includes('[')).length, 5);
    assert.equal(context.lines.length, 15);
  });

  it('when the ghost was restored to a tmpfs, no memory is allocated for it', async () => {
    const { gate, set, context } = restored([grown('/a')], { 3: '/a' }, 5, true);
    context.host.processes.mounts = () => [fakeMount(30, { filesystem: 'tmpfs' })];
    await gate.resumed(100);
    assert.ok(!set.some(line => line.includes('[')));
    assert.match(context.lines.join(), /^warn could not set allocation \(in a tmpfs .*\) of \/a again$/);
  });

  it('when two files could be the ghost, neither gets space, and a warning says so', async () => {
    const { gate, set, context } = restored([grown('/a'), grown('/a')], { 3: '/a', 4: '/a' }, 5, true);
    await gate.resumed(100);
    assert.deepEqual(set, []);
    assert.deepEqual(context.lines, [
      'warn could not set allocation of /a again: no file is certain to be this one',
      'warn could not set allocation of /a again: no file is certain to be this one',
    ]);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeGhostHead } from '../../../../src/criu/ghost-file.js';
import { readSession, writeSession } from '../../../../src/flows/container/sessions.js';
import { dumpGhosts } from '../../../../src/flows/dump/dump.js';
import { GateDump } from '../../../../src/flows/gate/gate-dump.js';
import { checkBeforeRestore } from '../../../../src/flows/restore/check-before.js';
import { sealImages } from '../../../../src/flows/seal/seal.js';
import { readJournal, readManifest } from '../../../../src/image/manifest.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { filesOf } from '../../criu/files-of.js';
import { filesImage, regFile, remap, remapsImage } from '../../criu/images.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext, fakeFile, fakeMount, opened } from '../../fake-host.js';

const images = '/img';
const noSource = () => undefined;

function container() {
  const context = fakeContext();
  const { files, processes } = context.host;
  files.folders.add(images);
  const at = (ino: bigint) => opened(fakeFile({ ino, mtimeNs: -1_500_000_001n }), `/data/${ino} (deleted)`);
  processes.add(100, { fds: { 3: at(1n) } });
  processes.add(101, { parent: 100, fds: { 3: at(1n), 4: at(2n) } });
  processes.add(200, { fds: { 5: at(3n) } });
  return { context, files, processes, gate: new GateDump(context, images) };
}
const ours = (files: { snapshot(): object }) => Object.keys(files.snapshot());

function endOfCriu(files: ReturnType<typeof container>['files'], keys: string[]) {
  files.put(
    `${images}/files.img`,
    filesImage(...keys.map((name, n) => regFile({ id: n + 1, name, ext: true }))),
  );
}

describe('GateDump', () => {
  it('when the first process is named, the ghosts of its whole tree are dumped; naming a member later adds none', async () => {
    const { gate, context, files } = container();
    assert.deepEqual(await gate.checkpoint(100), ['file[1e:1]', 'file[1e:2]']);
    assert.deepEqual(await gate.checkpoint(101), []);
    assert.equal(context.host.engine.dumps, 2);
    assert.deepEqual(ours(files), [
      '/img/ghostkeep/journal.json',
      '/img/ghostkeep/pending-1.img',
      '/img/ghostkeep/pending-2.img',
      '/img/ghostkeep/reserve',
    ]);
  });

  it('when a process outside the tree is named later, its ghosts are added and none is lost', async () => {
    const { gate, files } = container();
    const first = await gate.checkpoint(101);
    const second = await gate.checkpoint(200);
    const keys = [...new Set([...first, ...second])];
    assert.deepEqual(keys, ['file[1e:1]', 'file[1e:2]', 'file[1e:3]']);
    endOfCriu(files, keys);
    await gate.finish(0);
    assert.deepEqual(
      ours(files).filter(name => name.includes('ghost-file')),
      ['/img/ghost-file-1.img', '/img/ghost-file-2.img', '/img/ghost-file-3.img'],
    );
  });

  it("when a ghost's mount is covered, CRIU gets no key of it and will refuse it; a dump without CRIU copies it", async () => {
    const { gate, context, processes } = container();
    const at = (id: number, parent: number, path: string) =>
      fakeMount(id, { parent, mountPoint: Buffer.from(path) });
    processes.add(300, {
      mounts: [at(20, 1, '/'), at(30, 20, '/data'), at(31, 30, '/data')],
      fds: {
        3: opened(fakeFile(), '/data/x (deleted)'),
        4: opened(fakeFile({ ino: 2n }), '/y (deleted)', { mount: 20 }),
      },
    });
    assert.deepEqual(await gate.checkpoint(300), ['file[14:2]']);
    assert.ok(
      context.lines.some(line =>
        /^info ghost .*\/data\/x.* is left to CRIU: another mount covers/.test(line),
      ),
    );
    const { journal } = await dumpGhosts(context, {
      images,
      pids: [300],
      policy: resolvePolicy(),
      criu: false,
    });
    assert.deepEqual(
      journal.ghosts.map(({ path }) => path),
      ['/data/x', '/y'],
    );
  });

  it("when a ghost's folder is hidden, files.img gets a path that CRIU can make, and the manifest keeps the ghost's own path", async () => {
    const { gate, files, processes } = container();
    processes.add(300, {
      mounts: [fakeMount(30), fakeMount(31, { parent: 30, mountPoint: Buffer.from('/d') })],
      fds: { 3: opened(fakeFile({ ino: 1n }), '/d/x (deleted)') },
    });
    const keys = await gate.checkpoint(300);
    endOfCriu(files, keys);
    await gate.finish(0);
    const [ghost] = readManifest(files, images).ghosts;
    const [place] = ghost?.paths ?? [];
    assert.equal(ghost?.path, '/d/x');
    assert.match(place?.path ?? '', /^\/\.ghostkeep-[0-9a-f]{24}$/);
    assert.ok(files.get(`${images}/files.img`).includes(place?.path ?? 'no path'));
  });

  it('when CRIU has failed, none of our files and no pin is left', async () => {
    const { gate, files, processes } = container();
    await gate.checkpoint(100);
    await gate.finish(1);
    assert.deepEqual(ours(files), []);
    assert.ok(!files.exists(`${images}/ghostkeep`));
    assert.equal(processes.pins.size, 0);
  });

  it('when CRIU has failed and another process owns the directory, the container does not wait for that process', async () => {
    const { context, gate, files } = container();
    await gate.checkpoint(100);
    files.lockedFolders.set(images, 0);
    files.lockHolders.set(images, 700);
    const start = performance.now();
    await gate.finish(1);
    assert.ok(performance.now() - start < 4000, 'the gate waits 5 s for an owner');
    assert.match(context.lines.at(-1) ?? '', /^warn .*stay in \/img: cannot use \/img/);
    // A gate whose dump has not begun does not take the lock.
    const none = container();
    none.files.lock = () => assert.fail('it was locked');
    await none.gate.finish(1);
  });

  it('when CRIU has failed before it named a process, finish succeeds', async () => {
    const { gate, files } = container();
    await gate.finish(-1);
    assert.deepEqual(ours(files), []);
  });

  it('when a removed folder has a name that belongs to another file by now, sealing renames the folder, also if no ghost is ours', async () => {
    for (const withGhost of [true, false]) {
      const { gate, files, processes } = container();
      const folder = opened(fakeFile({ ino: 9n, mode: 0o040755 }), '/data/d (deleted)');
      const file = opened(fakeFile({ ino: 8n }), '/data/x (deleted)');
      processes.add(300, {
        fds: { 3: folder, ...(withGhost ? { 4: file } : {}) },
        inRoot: { '/data/d': fakeFile({ ino: 77n }) },
      });
      const keys = await gate.checkpoint(300);
      assert.equal(keys.length, withGhost ? 1 : 0);
      const theirs = regFile({ id: 7, name: '/data/d', mount: 30, mode: 0o040755 });
      const ours = keys.map(name => regFile({ id: 8, name, ext: true }));
      files.put(`${images}/files.img`, filesImage(theirs, ...ours));
      files.put(`${images}/remap-fpath.img`, remapsImage(remap(7, 1, 1)));
      files.put(`${images}/ghost-file-1.img`, 'a folder has no content');
      await gate.finish(0);
      assert.match(
        filesOf(files.read(`${images}/files.img`, { bytes: 9999, code: 'IO' }))[0] ?? '',
        /^7 \/data\/\.ghostkeep-[0-9a-f]{24} @30$/,
      );
      const manifest = readManifest(files, images);
      assert.deepEqual([manifest.state, manifest.renamedFolders], ['sealed', undefined]);
    }
  });

  it('when the policy is off, a removed folder keeps its name', async () => {
    const { gate, files, processes } = container();
    const folder = opened(fakeFile({ ino: 9n, mode: 0o040755 }), '/data/d (deleted)');
    processes.add(300, { fds: { 3: folder }, inRoot: { '/data/d': fakeFile({ ino: 77n }) } });
    gate.accept('enabled=false');
    assert.deepEqual(await gate.checkpoint(300), []);
    assert.deepEqual(ours(files), []);
  });

  it('when there is no ghost, no file is written', async () => {
    const { files, processes, gate } = container();
    processes.add(300, {});
    assert.deepEqual(await gate.checkpoint(300), []);
    await gate.finish(0);
    assert.deepEqual(ours(files), []);
    assert.ok(!files.exists(`${images}/ghostkeep`));
  });

  it('when an earlier dump lies in the directory, its manifest and images are removed', async () => {
    const { gate, files, processes } = container();
    processes.add(300, {});
    files.put(`${images}/ghostkeep-manifest.json`, 'old');
    files.put(`${images}/ghostkeep/pending-1.img`, 'old');
    await gate.checkpoint(300);
    assert.deepEqual(ours(files), []);
  });

  it('when an earlier checkpoint lies in the directory, its inventory.img is not taken for the end of this one', async () => {
    const { gate, files } = container();
    endOfCriu(files, []);
    const keys = await gate.checkpoint(100);
    await assert.rejects(gate.finish(0), ghostkeepError('SEAL_FAILED', 'CRIU has not finished'));
    assert.ok(files.exists(`${images}/ghostkeep/pending-1.img`));
    // This inventory is from 1970 by the clock of its file system, which is not the host's clock.
    endOfCriu(files, keys);
    await gate.finish(0);
    assert.equal(readManifest(files, images).state, 'sealed');
  });

  it('when an earlier checkpoint lies in the directory, the images of its ghosts that no entry names any more are removed', async () => {
    const { gate, files } = container();
    files.put(`${images}/remap-fpath.img`, remapsImage(remap(7, 9, 1)));
    for (const id of [8, 9]) files.put(`${images}/ghost-file-${id}.img`, 'earlier');
    await gate.begin(50);
    const keys = await gate.checkpoint(100);
    files.remove(`${images}/remap-fpath.img`);
    endOfCriu(files, keys);
    await gate.finish(0);
    assert.deepEqual(
      files
        .list(images)
        .filter(name => name.startsWith('ghost-file'))
        .sort(),
      [1, 2, 8].map(id => `ghost-file-${id}.img`),
    );
  });

  it('when the receiver of a migration has sealed the dump while CRIU still served memory, finish accepts that seal', async () => {
    const { context, gate, files } = container();
    endOfCriu(files, await gate.checkpoint(100));
    await checkBeforeRestore(context, images, noSource);
    const sealed = files.snapshot();
    await gate.finish(0);
    assert.deepEqual(files.snapshot(), sealed);
  });

  it('when the dump was sealed before CRIU had written all files, or is of another checkpoint, finish fails', async () => {
    const early = container();
    const [first = '', second = ''] = await early.gate.checkpoint(100);
    endOfCriu(early.files, [first]);
    sealImages(early.context, images, { durable: false });
    endOfCriu(early.files, [first, second]);
    await assert.rejects(early.gate.finish(0), ghostkeepError('SEAL_FAILED', 'somebody else'));
    const other = container();
    endOfCriu(other.files, await other.gate.checkpoint(100));
    sealImages(other.context, images, { durable: false });
    other.files.put(`${images}/inventory.img`, 'of another');
    await assert.rejects(other.gate.finish(0), ghostkeepError('SEAL_FAILED', 'somebody else'));
  });

  it('when the dump was sealed before CRIU had written an open file of a linked ghost, finish fails', async () => {
    const linked = fakeFile({ ino: 7n, nlink: 1 });
    for (const isThere of [false, true]) {
      const { context, gate, files, processes } = container();
      processes.add(300, {
        inRoot: { '/data/b': linked },
        fds: { 3: opened(linked, '/data/a (deleted)'), 4: opened(fakeFile(), '/data/x (deleted)') },
      });
      const keys = await gate.checkpoint(300);
      const [link] = readJournal(files, images)?.links ?? [];
      assert.deepEqual([keys.length, link?.path], [2, '/data/b']);
      endOfCriu(files, isThere ? keys : keys.filter(key => key !== link?.key));
      sealImages(context, images, { durable: false });
      if (isThere) await gate.finish(0);
      else await assert.rejects(gate.finish(0), ghostkeepError('SEAL_FAILED', 'somebody else'));
    }
  });

  it('when a copy of an unsealed dump is sealed first, sealing the original gives the same images', async () => {
    const { context, gate, files } = container();
    endOfCriu(files, await gate.checkpoint(100));
    for (const name of ours(files)) files.put(name.replace(images, '/copy'), files.get(name));
    sealImages(context, '/copy', { durable: false });
    await gate.finish(0);
    const at = (folder: string) =>
      ours(files)
        .filter(name => name.startsWith(`${folder}/`))
        .map(name => [name.slice(folder.length), files.get(name)]);
    assert.deepEqual(at(images), at('/copy'));
    assert.ok(at('/copy').length > 4);
  });

  it("when CRIU was given plugin options, they apply within the host's bounds, and override an annotation", async () => {
    const { gate, context, files } = container();
    files.put('/etc/ghostkeep/config.json', '{"limit": "1G", "allow": ["limit", "warm"]}');
    const session = { version: 1 as const, container: 'db', bundle: '/b', created: 'now' };
    writeSession(context, { ...session, pid: 100, startTime: '10000', policy: { limit: '1G' } });
    gate.accept('limit=1G');
    gate.accept('limit=1K');
    for (const [option, reason] of [
      ['limit=2G', 'ghostkeep.limit is "2G", it must be "1G" or less'],
      ['engine=read', 'ghostkeep.engine is "read", and the host\'s config.json allows only'],
      ['limits=1', 'there is no key ghostkeep.limits, only'],
      ['warm', 'ghostkeep.warm has no value'],
    ] as const)
      assert.throws(() => gate.accept(option), ghostkeepError('BAD_POLICY', reason));
    await assert.rejects(gate.checkpoint(100), ghostkeepError('GHOST_OVER_LIMIT', '1 KiB'));
    gate.accept('limit=1M');
    assert.deepEqual(await gate.checkpoint(200), ['file[1e:1]', 'file[1e:2]', 'file[1e:3]']);
  });

  it('when the container has a session record, its policy applies and the path of the image is added to the record', async () => {
    const { context, gate, files } = container();
    const session = {
      version: 1,
      container: 'web',
      bundle: '/b',
      created: 'x',
      pid: 100,
      startTime: '10000',
    } as const;
    writeSession(context, { ...session, policy: { limit: '1K' } });
    await assert.rejects(
      gate.checkpoint(100),
      ghostkeepError('GHOST_OVER_LIMIT', '/data/1', '1 KiB', '4 KiB'),
    );
    await gate.finish(1);
    writeSession(context, { ...session, policy: {} });
    const again = new GateDump(context, images);
    endOfCriu(files, await again.checkpoint(100));
    await again.finish(0);
    assert.equal(readSession(context, 'web')?.images, images);
  });

  it('when one ghost cannot be copied, none of our files is left and no pin is held', async () => {
    for (const [errno, code] of [
      ['ENOSPC', 'NO_SPACE'],
      ['EIO', 'IO'],
      ['ESTALE', 'GHOST_CHANGED'],
    ] as const) {
      const { context, gate, files, processes } = container();
      context.host.engine.onDump = count => {
        if (count > 1) throw Object.assign(new Error(`${errno}: broke`), { code: errno });
      };
      await assert.rejects(gate.checkpoint(100), ghostkeepError(code, 'cannot dump ghost 8:1/2 (/data/2)'));
      assert.equal(processes.pins.size, 0);
      assert.equal(files.open_.size >= 0, true);
      assert.deepEqual(ours(files), [], errno);
    }
  });

  it('when a file changes while it is copied, it is copied again up to three times; a copy without a change is accepted', async () => {
    const { context, gate } = container();
    context.host.engine.onDump = (count, ghost) => {
      if (count === 1) ghost.stat = { ...ghost.stat, mtimeNs: 5n };
    };
    assert.equal((await gate.checkpoint(100)).length, 2);
    assert.equal(context.host.engine.dumps, 3);
    assert.ok(
      context.lines.some(line => line.startsWith('warn ghost 8:1/1 (/data/1) changed while it was copied')),
    );

    const restless = container();
    restless.context.host.engine.onDump = (count, ghost) => {
      ghost.stat = { ...ghost.stat, ctimeNs: BigInt(count) };
    };
    await assert.rejects(
      restless.gate.checkpoint(200),
      ghostkeepError('GHOST_CHANGED', 'outside the container'),
    );
    assert.equal(restless.context.host.engine.dumps, 4);
  });

  it('when owner, mode and attributes change while a ghost is copied, its entry and its image have the new values', async () => {
    const { context, gate, files } = container();
    const { engine } = context.host;
    engine.onDump = (count, ghost) => {
      if (count > 1) return;
      ghost.stat = { ...ghost.stat, ctimeNs: 5n, uid: 33, mode: 0o104755 };
      engine.xattrs = () => ({ 'user.new': Buffer.from('later') });
    };
    await gate.checkpoint(200);
    const journal = readJournal(files, images);
    const [ghost] = journal?.ghosts ?? [];
    assert.deepEqual([ghost?.uid, ghost?.mode, ghost?.xattrs], [33, 0o104755, { 'user.new': 'bGF0ZXI=' }]);
    const image = files.get(`${images}/ghostkeep/pending-1.img`);
    const head = decodeGhostHead(image, BigInt(image.length), 'pending-1.img');
    assert.deepEqual([head.uid, head.mode], [33, 0o104755]);
    assert.equal(journal?.idMaps, undefined);
  });

  it('when less than the reserve is free after the copy, the dump fails and its images are removed', async () => {
    const { gate, files } = container();
    files.free = 1024n;
    await assert.rejects(gate.checkpoint(100), ghostkeepError('NO_SPACE', '1 KiB', '16 MiB', 'reserve'));
    assert.deepEqual(ours(files), []);
  });

  it('when the file system does not say how much is free, the reserve is not checked', async () => {
    const { gate, files } = container();
    files.free = undefined;
    assert.notDeepEqual(await gate.checkpoint(100), []);
  });

  it('when the policy is off, all ghosts are left to CRIU', async () => {
    const { gate, files } = container();
    files.put('/etc/ghostkeep/config.json', '{"enabled":false}');
    assert.deepEqual(await gate.checkpoint(100), []);
  });
});

describe('checkBeforeRestore', () => {
  async function sealed() {
    const { gate, files, context } = container();
    endOfCriu(files, await gate.checkpoint(100));
    await gate.finish(0);
    return { files, context };
  }

  it('when the image is whole, also with times before 1970, the check passes', async () => {
    const { context } = await sealed();
    await checkBeforeRestore(context, images, noSource);
  });

  it('when the directory has no dump of ours, the check passes', async () => {
    await checkBeforeRestore(fakeContext(), images, noSource);
  });

  it('when the seal was interrupted, the check finishes it first', async () => {
    const { gate, files, context } = container();
    endOfCriu(files, await gate.checkpoint(100));
    await checkBeforeRestore(context, images, noSource);
    assert.ok(files.exists(`${images}/ghostkeep-manifest.json`));
  });

  it('when any image is damaged, the check refuses the restore and counts the damage', async () => {
    const { files, context } = await sealed();
    files.put(`${images}/ghost-file-1.img`, 'x');
    files.contents.delete(`${images}/ghost-file-2.img`);
    await assert.rejects(
      checkBeforeRestore(context, images, noSource),
      ghostkeepError('IMAGE_TRUNCATED', 'ghost-file-1.img', 'and 1 more', 'ghostkeep verify -D /img'),
    );
    files.put(`${images}/ghostkeep-manifest.json`, '{"format":');
    await assert.rejects(
      checkBeforeRestore(context, images, noSource),
      ghostkeepError('MANIFEST_INVALID', 'not JSON'),
    );
  });

  for (const [name, what] of [
    ['cipher.img', 'CRIU encrypts the image'],
    ['streamer-capture.sock', 'the image is streamed'],
  ] as const) {
    const leaveToCriu = (earlier: Record<string, string>) => {
      const context = fakeContext();
      const { files, processes } = context.host;
      files.folders.add(images);
      files.put(`${images}/${name}`, '');
      for (const [path, text] of Object.entries(earlier)) files.put(`${images}/${path}`, text);
      const large = fakeFile({ size: 64n << 20n, allocated: 64n << 20n });
      processes.add(100, { fds: { 3: opened(large, '/data/tmp (deleted)') } });
      return { context, files, gate: new GateDump(context, images) };
    };

    it(`when ${name} lies in the directory, all ghosts are left to CRIU, and one warning says so`, async () => {
      const { context, files, gate } = leaveToCriu({});
      const before = files.snapshot();
      await gate.warm(100);
      assert.deepEqual(await gate.checkpoint(100), []);
      assert.deepEqual(await gate.checkpoint(101), []);
      await gate.finish(0);
      assert.deepEqual(files.snapshot(), before);
      const said = context.lines.filter(line => line.startsWith('warn'));
      assert.equal(said.length, 1);
      assert.match(said[0] ?? '', new RegExp(`^warn ${what}.*ghosts are left to CRIU and its limit$`));
    });

    it(`when an earlier dump lies beside ${name}, its manifest is removed if CRIU succeeds, and stays if CRIU fails`, async () => {
      const earlier = { 'ghostkeep-manifest.json': '{}', 'inventory.img': 'x' };
      for (const result of [1, 0]) {
        const { files, gate } = leaveToCriu(earlier);
        await gate.checkpoint(100);
        await gate.finish(result);
        assert.equal(files.exists(`${images}/ghostkeep-manifest.json`), result !== 0);
        assert.ok(files.exists(`${images}/inventory.img`));
      }
    });
  }

  it('when cipher.img appears only after we have copied ghosts, the copies stay and the seal fails', async () => {
    const context = fakeContext();
    const { files, processes } = context.host;
    files.folders.add(images);
    processes.add(100, { fds: { 3: opened(fakeFile({}), '/data/tmp (deleted)') } });
    const gate = new GateDump(context, images);
    assert.equal((await gate.checkpoint(100)).length, 1);
    files.put(`${images}/cipher.img`, 'a token');
    await gate.checkpoint(101).catch(() => undefined);
    await assert.rejects(gate.finish(0));
    assert.ok(files.list(`${images}/ghostkeep`).some(file => file.startsWith('pending-')));
  });
});

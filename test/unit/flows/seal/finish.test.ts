import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest, ManifestGhost } from '../../../../src/base/documents/generated/manifest.js';
import { makeDev } from '../../../../src/base/units.js';
import { finishDump } from '../../../../src/flows/seal/finish.js';
import { baseName } from '../../../../src/image/layout.js';
import { readJournal } from '../../../../src/image/manifest.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { filesImage, regFile } from '../../criu/images.js';
import { ghostkeepError } from '../../expect.js';
import { errno, fakeContext, fakeFile, opened } from '../../fake-host.js';

const images = '/img';

/** Somebody else, process 500, holds two ghosts; CRIU has ended. */
function held(values: Partial<Manifest> = {}) {
  const context = fakeContext();
  const { files, processes } = context.host;
  files.folders.add(`${images}/ghostkeep`);
  const at = (ino: number) => opened(fakeFile({ ino: BigInt(ino) }), `/data/${ino} (deleted)`);
  processes.add(500, { startTime: '77', fds: { 20: at(1), 21: at(2) } });
  const ghosts = [1, 2].map(ino =>
    aManifestGhost({
      id: ino,
      ino,
      path: `/data/${ino}`,
      image: `ghostkeep/pending-${ino}.img`,
      key: [`file[1e:${ino}]`],
      paths: [{ key: `file[1e:${ino}]`, mount: 30, path: `/data/${ino}` }],
      pin: { pid: 500, fd: 19 + ino, startTime: '77' },
    }),
  );
  files.put(
    `${images}/ghostkeep/journal.json`,
    JSON.stringify(aManifest({ state: 'pinned', ghosts, ...values })),
  );
  files.put(
    `${images}/files.img`,
    filesImage(...[1, 2].map(n => regFile({ id: n, name: `file[1e:${n}]`, ext: true }))),
  );
  return { context, files, processes };
}

const linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'x' }], hostUid: 0, hostGid: 0 };
const named = (id: number, fd: number) =>
  aManifestGhost({
    class: 'named',
    id,
    ino: id,
    path: `/dev/shm/${id}`,
    image: `ghostkeep/linked-${id}.img`,
    key: [],
    paths: [],
    linked,
    pin: { pid: 500, fd, startTime: '77' },
  });

describe('finishDump', () => {
  it('when another process holds the ghosts, they are copied from its descriptors and sealed, and it keeps its descriptors', async () => {
    const { context, files, processes } = held();
    const { manifest, now } = await finishDump(context, images);
    assert.equal(now, true);
    assert.deepEqual(processes.pinned, ['500 fd/20', '500 fd/21']);
    assert.equal(processes.pins.size, 0);
    assert.deepEqual(
      manifest.ghosts.map(({ image, pin, data }) => [image, pin, data?.bytes]),
      [
        ['ghost-file-1.img', undefined, 5],
        ['ghost-file-2.img', undefined, 5],
      ],
    );
    assert.ok(!files.exists(`${images}/ghostkeep/journal.json`));
  });

  it('a named file that cannot be copied any more is left out with a warning, because CRIU has its name', async () => {
    const { context } = held({ ghosts: [named(1, 20), named(2, 33)] });
    const { manifest } = await finishDump(context, images);
    assert.deepEqual(
      manifest.ghosts.map(({ image }) => image),
      ['ghostkeep-linked-1.img'],
    );
    assert.match(context.lines.join('\n'), /^warn \/dev\/shm\/2 is not copied, so it can be restored only/m);
  });

  it('when a named file has a base, its image has the name of a named file all the same', async () => {
    const { context, files } = held({ ghosts: [named(1, 20)] });
    const base = `${images}/${baseName(fakeFile({ ino: 1n }).stat)}`;
    files.put(base, 'torn');
    const { manifest } = await finishDump(context, images);
    assert.deepEqual(
      manifest.ghosts.map(({ image }) => image),
      ['ghostkeep-linked-1.img'],
    );
    assert.deepEqual(context.host.engine.overTogether, [true]);
    assert.ok(files.exists(`${images}/ghostkeep-linked-1.img`));
    assert.ok(!files.exists(base));
  });

  it('when the disk has lost an image, finishing fails, and the next try copies the ghost from the descriptor again', async () => {
    const { context, files, processes } = held();
    files.lostWrites.add(`${images}/ghostkeep/pending-2.img`);
    await assert.rejects(finishDump(context, images), ghostkeepError('IO', 'pending-2.img', 'EIO'));
    assert.equal(readJournal(files, images)?.state, 'pinned');
    await finishDump(context, images);
    assert.equal(processes.pinned.length, 4);
  });

  it('when a ghost has changed since it was pinned, the manifest and its image have the new state', async () => {
    const { context, files, processes } = held();
    processes.end(500);
    const grown = fakeFile({ ino: 1n, content: Buffer.from('grown since'), mode: 0o100600, mtimeNs: 9n });
    const other = opened(fakeFile({ ino: 2n }), '/data/2 (deleted)');
    processes.add(500, { startTime: '77', fds: { 20: opened(grown, '/data/1 (deleted)'), 21: other } });
    const { manifest } = await finishDump(context, images);
    const [ghost] = manifest.ghosts;
    assert.deepEqual([ghost?.size, ghost?.mode, ghost?.mtime], [11, 0o100600, '0.000000009']);
    assert.ok(files.get(`${images}/ghost-file-1.img`).includes('grown since'));
  });

  const idMaps = { uid: '0 100000 65536', gid: '0 200000 65536' };

  it('when a ghost has got another owner, xattrs or inode flags since it was pinned, the manifest has the new ones', async () => {
    const { context, processes } = held({ idMaps });
    processes.end(500);
    const [given, other] = [
      fakeFile({ ino: 1n, uid: 100_033, gid: 200_044 }),
      fakeFile({ ino: 2n, uid: 1, gid: 1 }),
    ];
    processes.add(500, {
      startTime: '77',
      fds: { 20: opened(given, '/data/1 (deleted)'), 21: opened(other, '/data/2 (deleted)') },
    });
    context.host.engine.flags = () => 0x10;
    context.host.engine.xattrs = () => ({ 'user.new': Buffer.from('later') });
    const { manifest } = await finishDump(context, images);
    assert.deepEqual(
      manifest.ghosts.map(({ uid, gid, inodeFlags, xattrs }) => [uid, gid, inodeFlags, xattrs]),
      [
        [33, 44, 0x10, { 'user.new': 'bGF0ZXI=' }],
        [65534, 65534, 0x10, { 'user.new': 'bGF0ZXI=' }],
      ],
    );
    assert.equal(manifest.idMaps, undefined);
  });

  /** The flags and attributes of the ghost when it was pinned: append-only, with a note. */
  const noted = { inodeFlags: 0x20, xattrs: { 'user.note': 'YmVmb3Jl' } };
  const pinnedWith = (values: Partial<ManifestGhost>) =>
    held({
      idMaps,
      ghosts: [
        aManifestGhost({
          ino: 1,
          path: '/data/1',
          image: 'ghostkeep/pending-1.img',
          key: ['file[1e:1]'],
          paths: [{ key: 'file[1e:1]', mount: 30, path: '/data/1' }],
          pin: { pid: 500, fd: 20, startTime: '77' },
          ...noted,
          ...values,
        }),
      ],
    });
  const changeOwner = ({ processes }: ReturnType<typeof held>) => {
    processes.end(500);
    const given = fakeFile({ ino: 1n, uid: 100_033, gid: 200_044, mode: 0o104755 });
    processes.add(500, { startTime: '77', fds: { 20: opened(given, '/data/1 (deleted)') } });
  };

  it('when a ghost has lost its flags since it was pinned, its entry has none; a linked ghost has both its owners', async () => {
    const linked = { mountPoint: { path: '/data' }, names: [{ path: 'other' }], hostUid: 0, hostGid: 0 };
    const now = pinnedWith({ class: 'linked', linked, paths: [], image: 'ghostkeep/linked-1.img' });
    changeOwner(now);
    const [ghost] = (await finishDump(now.context, images)).manifest.ghosts;
    assert.equal(ghost?.inodeFlags, undefined);
    assert.deepEqual([ghost?.uid, ghost?.gid], [33, 44]);
    assert.deepEqual([ghost?.linked?.hostUid, ghost?.linked?.hostGid], [100_033, 200_044]);
  });

  it('when attributes cannot be read any more, or are too many, the dump keeps the bytes with the old attributes and the new owner', async () => {
    const unreadable = () => {
      throw errno('EIO');
    };
    const tooMany = () => ({ 'user.much': Buffer.alloc(13 << 20) });
    for (const xattrs of [unreadable, tooMany]) {
      const now = pinnedWith({});
      changeOwner(now);
      const { context, files } = now;
      context.host.engine.xattrs = xattrs;
      const [ghost] = (await finishDump(context, images)).manifest.ghosts;
      assert.deepEqual({ inodeFlags: ghost?.inodeFlags, xattrs: ghost?.xattrs }, noted);
      assert.deepEqual([ghost?.data?.bytes, ghost?.mode, ghost?.uid, ghost?.gid], [5, 0o104755, 33, 44]);
      assert.ok(files.exists(`${images}/ghost-file-1.img`));
      assert.equal(
        context.lines.filter(line => /of ghost .* stay as they were first described: /.test(line)).length,
        1,
      );
    }
  });

  it('when CRIU has not finished, nothing is copied, because the container may still write', async () => {
    const { context, files } = held();
    files.contents.delete(`${images}/inventory.img`);
    await assert.rejects(finishDump(context, images), ghostkeepError('SEAL_FAILED', 'CRIU has not finished'));
    assert.equal(context.host.engine.dumps, 0);
    files.put(`${images}/inventory.img`, 'now');
    await finishDump(context, images);
  });

  it('when another process is finishing the dump, the second is refused; when that process has ended, the next may finish', async () => {
    const { context, files, processes } = held();
    processes.add(700, { commandLine: ['ghostkeep', 'seal'] });
    files.lockedFolders.set(images, 0);
    files.lockHolders.set(images, 700);
    await assert.rejects(
      finishDump(context, images),
      ghostkeepError('IN_USE', 'process 700 (ghostkeep seal)'),
    );
    assert.equal(context.host.engine.dumps, 0);
    files.lockedFolders.clear();
    await finishDump(context, images);
    assert.equal(files.lockedFolders.size, 0);
  });

  it('when the directory cannot be locked, the dump is finished all the same, with a warning', async () => {
    for (const code of ['ENOLCK', 'EOPNOTSUPP', 'EACCES']) {
      const { context, files } = held();
      files.lock = () => {
        throw errno(code);
      };
      assert.equal((await finishDump(context, images)).now, true);
      assert.match(context.lines.join('\n'), new RegExp(`^warn /img cannot be locked \\(${code}\\)`, 'm'));
    }
  });

  it('when finishing has failed once, it can be repeated, and after it has succeeded it changes nothing', async () => {
    const { context, files, processes } = held();
    context.host.engine.onDump = count => {
      // The copy fails in the call for many ghosts, and then in the call for this ghost alone.
      if (count === 2 || count === 3) throw errno('ENOSPC');
    };
    await assert.rejects(finishDump(context, images), ghostkeepError('NO_SPACE', '/data/2'));
    assert.equal(processes.pins.size, 0);
    await finishDump(context, images);
    const { changes } = files;
    assert.equal((await finishDump(context, images)).now, false);
    assert.equal(files.changes, changes);
  });

  it('when all ghosts were copied before, no process is asked for a descriptor', async () => {
    const { context, processes, files } = held();
    await finishDump(context, images);
    const journal = {
      ...JSON.parse(files.get(`${images}/ghostkeep-manifest.json`).toString()),
      state: 'dumped',
    };
    files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(journal));
    files.put(`${images}/files.img`, filesImage());
    processes.end(500);
    await finishDump(context, images);
  });

  it('when the holder has ended, or its pid is another process by now, nothing is copied from it', async () => {
    const ended = held();
    ended.processes.end(500);
    const reused = held();
    reused.processes.end(500);
    reused.processes.add(500, { startTime: '78', fds: { 20: opened(fakeFile({ ino: 1n }), '/other') } });
    for (const { context, files, processes } of [ended, reused]) {
      await assert.rejects(finishDump(context, images), ghostkeepError('HOLDER_GONE', '/data/1', '500'));
      assert.ok(!files.exists(`${images}/ghostkeep-manifest.json`));
      assert.deepEqual(processes.pinned, []);
    }
  });

  it("when the holder's descriptor is another file by now, nothing is copied and no pin is left", async () => {
    for (const other of [{ ino: 9n }, { ino: 1n, dev: makeDev(8n, 2n) }]) {
      const { context, processes } = held();
      processes.end(500);
      processes.add(500, { startTime: '77', fds: { 20: opened(fakeFile(other), '/other') } });
      await assert.rejects(
        finishDump(context, images),
        ghostkeepError('HOLDER_GONE', 'not hold it any more'),
      );
      assert.equal(context.host.engine.dumps, 0);
      assert.equal(processes.pins.size, 0);
    }
  });

  it('when the file has the inode number but another birth time, it counts as another file, except on overlayfs, which copies files up', async () => {
    const born = (filesystem: string) =>
      held({
        ghosts: [
          aManifestGhost({
            ino: 1,
            birth: '9.000000000',
            filesystem,
            image: 'ghostkeep/pending-1.img',
            pin: { pid: 500, fd: 20, startTime: '77' },
          }),
        ],
      });
    await assert.rejects(finishDump(born('ext4').context, images), ghostkeepError('HOLDER_GONE'));
    const overlay = born('overlay');
    await finishDump(overlay.context, images).catch(() => {});
    assert.equal(overlay.context.host.engine.dumps, 1);
  });

  it('when the journal names no pin, the error says so', async () => {
    const { context } = held({ ghosts: [aManifestGhost({ image: 'ghostkeep/pending-1.img' })] });
    await assert.rejects(finishDump(context, images), ghostkeepError('HOLDER_GONE', 'names no pin'));
  });

  it('when less than the reserve would be free, the ghosts are copied all the same, because they exist nowhere else', async () => {
    const { context, files } = held();
    files.free = 1024n;
    const { manifest } = await finishDump(context, images);
    assert.equal(manifest.ghosts.length, 2);
  });

  it('when others may write to the working folder, its journal is not used: finishing is refused', async () => {
    const { context, processes } = held();
    context.host.uid = () => 1000;
    await assert.rejects(finishDump(context, images), ghostkeepError('PERMISSION', 'somebody else'));
    assert.deepEqual(processes.pinned, []);
  });
});

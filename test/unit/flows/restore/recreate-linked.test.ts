import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ManifestGhost } from '../../../../src/base/documents/generated/manifest.js';
import type { MakeableFolder } from '../../../../src/base/host/host.js';
import { pathToText } from '../../../../src/base/text/path-bytes.js';
import { encodeGhostHead } from '../../../../src/criu/ghost-file.js';
import { recreateLinked } from '../../../../src/flows/restore/recreate-linked.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { ghostkeepError } from '../../expect.js';
import { errno, type FakeContext, fakeContext } from '../../fake-host.js';

const images = '/img';
const odd = Buffer.from([0x73, 0xff, 0x0a]);

const group = (values: Partial<ManifestGhost['linked'] & object> = {}) => ({
  mountPoint: { path: '/dev/shm' },
  names: [{ path: 'sem.a' }, pathToText(odd)],
  hostUid: 1001,
  hostGid: 1002,
  ...values,
});
const linkedGhost = (values: Partial<ManifestGhost> = {}) =>
  aManifestGhost({
    class: 'linked',
    image: 'ghostkeep-linked-1.img',
    paths: [],
    linked: group(),
    xattrs: {},
    ...values,
  });

function restoring(content = 'semaphore'): FakeContext {
  const context = fakeContext();
  const head = encodeGhostHead({
    uid: 0,
    gid: 0,
    mode: 0o100600,
    dev: 1n,
    ino: 2n,
    size: BigInt(content.length),
    atimeNs: 0n,
    mtimeNs: 0n,
  });
  context.host.files.put(`${images}/ghostkeep-linked-1.img`, Buffer.concat([head, Buffer.from(content)]));
  return context;
}
const from = (source: string | undefined) => () => source;
const recreate = (context: FakeContext, source: string | undefined, ghost = linkedGhost()) =>
  recreateLinked(context, images, aManifest({ ghosts: [aManifestGhost(), ghost] }), from(source));

describe('recreateLinked', () => {
  it("when the folder is empty, the content is written once, and gets all names and the host's owner", async () => {
    const context = restoring();
    const { files } = context.host;
    const owners: number[][] = [];
    files.setOwner = (_fd, uid, gid) => void owners.push([uid, gid]);
    await recreate(context, '/srv/shm');
    const [a, b] = ['sem.a', odd.toString('latin1')].map(name => files.contents.get(`/srv/shm/${name}`));
    assert.equal(a?.content.toString(), 'semaphore');
    assert.equal(a, b);
    assert.deepEqual(owners, [[1001, 1002]]);
    assert.deepEqual(context.lines, ['info made again /data/tmp in /srv/shm']);
  });

  it('the folders of a named file are made again where they are missing, with their owner and mode', async () => {
    const context = restoring();
    const { files } = context.host;
    const asked: MakeableFolder[][] = [];
    const { makeNames } = files;
    files.makeNames = (folder, names, check, write, makeable = []) => {
      asked.push([...makeable]);
      return makeNames.call(files, folder, names, check, write, makeable);
    };
    const folders = [{ path: 'a', mode: 0o42750, hostUid: 7, hostGid: 8 }];
    const linked = group({ names: [{ path: 'a/x' }], folders });
    await recreate(context, '/srv/shm', linkedGhost({ class: 'named', linked }));
    assert.deepEqual(asked, [[{ name: Buffer.from('a'), mode: 0o42750, uid: 7, gid: 8 }]]);
  });

  it('when one name is still there, its content is not changed and the other names are linked to it', async () => {
    const context = restoring();
    const { files } = context.host;
    files.put('/srv/shm/sem.a', 'goes on');
    await recreate(context, '/srv/shm');
    assert.equal(files.get(`/srv/shm/${odd.toString('latin1')}`).toString(), 'goes on');
    assert.deepEqual(context.lines, ['info made missing names of /data/tmp in /srv/shm']);
  });

  it('when all names are there, nothing is changed and nothing is logged', async () => {
    const context = restoring();
    await recreate(context, '/srv/shm');
    const before = context.host.files.snapshot();
    context.lines.length = 0;
    await recreate(context, '/srv/shm');
    assert.deepEqual(context.host.files.snapshot(), before);
    assert.deepEqual(context.lines, []);
  });

  it('when CRIU restores the mount itself, nothing is made', async () => {
    const context = restoring();
    const before = context.host.files.snapshot();
    await recreate(context, undefined);
    assert.deepEqual(context.host.files.snapshot(), before);
  });

  it('when the source of the mount is not an absolute path, the restore is refused and the mount is named', async () => {
    await assert.rejects(recreate(restoring(), ''), ghostkeepError('IO', '/dev/shm', 'no path'));
    await assert.rejects(recreate(restoring(), 'shm'), ghostkeepError('IO', '/dev/shm', 'comes from shm'));
  });

  it('when the source of the mount is neither on a tmpfs nor on a ramfs, nothing is made and the restore is refused', async () => {
    const context = restoring();
    const { files } = context.host;
    files.magic = 0xef53n;
    const before = files.snapshot();
    await assert.rejects(
      recreate(context, '/etc'),
      ghostkeepError('IO', '/data/tmp', '/etc', 'neither tmpfs nor ramfs'),
    );
    assert.deepEqual(files.snapshot(), before);
    assert.equal(files.open_.size, 0);
    files.magic = 0x858458f6n;
    await recreate(context, '/srv/shm');
    assert.ok(files.exists('/srv/shm/sem.a'));
  });

  it('when the source of the mount is on a file server, the refusal says how to get the content', async () => {
    for (const magic of [0x65735546n, 0x6969n, 0xff534d42n]) {
      const context = restoring();
      context.host.files.magic = magic;
      await assert.rejects(
        recreate(context, '/srv/m'),
        ghostkeepError('IO', '/srv/m', 'ghostkeep restore -D /img --ghost 1 --to DIR'),
      );
    }
  });

  it('when all names are there, the file system of the source does not matter', async () => {
    const context = restoring();
    context.host.files.magic = 0xef53n;
    for (const name of ['sem.a', odd.toString('latin1')]) context.host.files.put(`/srv/shm/${name}`, 'there');
    await recreate(context, '/srv/shm');
    assert.deepEqual(context.lines, []);
  });

  it('when the folder cannot be written to, the error names it, and the image is closed', async () => {
    const context = restoring();
    const { files } = context.host;
    files.makeNames = async () => {
      throw errno('EROFS');
    };
    await assert.rejects(
      recreate(context, '/srv/shm'),
      ghostkeepError('IO', '/data/tmp', '/srv/shm', 'EROFS'),
    );
    assert.equal(files.open_.size, 0);
  });

  it('when an attribute is refused, the file is made and a warning names the attribute', async () => {
    const context = restoring();
    context.host.files.setOwner = () => {
      throw errno('EPERM');
    };
    await recreate(context, '/srv/shm');
    assert.ok(context.host.files.exists('/srv/shm/sem.a'));
    assert.ok(context.lines.includes('warn could not set owner (EPERM) of /data/tmp again'));
  });

  it('when a mount point is not UTF-8, the lookup does not ask for another mount of the same text', async () => {
    const mountPoint = pathToText(Buffer.from([0x2f, 0xff]));
    const ghost = linkedGhost({ linked: group({ mountPoint }) });
    const asked = () => assert.fail('asked');
    await recreateLinked(restoring(), images, aManifest({ ghosts: [ghost] }), asked);
  });

  it('when a name leads out of the mount, nothing is made', async () => {
    const context = restoring();
    const before = context.host.files.snapshot();
    const climbing = linkedGhost({ linked: group({ names: [{ path: 'a/../../etc/x' }] }) });
    await assert.rejects(recreate(context, '/srv/shm', climbing), ghostkeepError('BAD_INPUT'));
    assert.deepEqual(context.host.files.snapshot(), before);
  });

  it('when a mount point has odd characters, the lookup asks for its bytes', async () => {
    const asked: string[] = [];
    const ghost = linkedGhost({ linked: group({ mountPoint: pathToText(Buffer.from('/mnt/a\nb')) }) });
    await recreateLinked(restoring(), images, aManifest({ ghosts: [ghost] }), mountPoint => {
      asked.push(mountPoint);
      return undefined;
    });
    assert.deepEqual(asked, ['/mnt/a\nb']);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeGhostHead } from '../../../../src/criu/ghost-file.js';
import { verify } from '../../../../src/flows/restore/verify.js';
import { sealImages } from '../../../../src/flows/seal/seal.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { filesOf } from '../../criu/files-of.js';
import { filesImage, regFile, remapsImage } from '../../criu/images.js';
import { type FakeContext, fakeContext, Interrupted } from '../../fake-host.js';

const images = '/img';
const linked = { mountPoint: { path: '/dev/shm' }, names: [{ path: 'sem.a' }], hostUid: 0, hostGid: 0 };
const image = Buffer.concat([
  encodeGhostHead({
    uid: 0,
    gid: 0,
    mode: 0o100644,
    dev: 0x801n,
    ino: 4711n,
    size: 5n,
    atimeNs: 0n,
    mtimeNs: 0n,
  }),
  Buffer.from('ghost'),
]);

/**
 * A dump when CRIU has ended. It has two files. One is on a disk, and we have none of its content. The other
 * one is on a tmpfs: we have its content, and it is no ghost of CRIU's.
 */
function dumped(mountNamespace = true): FakeContext {
  const context = fakeContext();
  const { files } = context.host;
  const journal = aManifest({
    state: 'dumped',
    mountNamespace,
    ghosts: [
      aManifestGhost({
        class: 'linked',
        image: 'ghostkeep/linked-1.img',
        key: ['file[1f:2]'],
        paths: [],
        atime: '0.000000000',
        mtime: '0.000000000',
        linked,
      }),
    ],
    links: [
      { key: 'file[1e:1]', mount: 30, path: '/data/other' },
      { key: 'file[1f:2]', mount: 31, path: '/dev/shm/sem.a' },
    ],
  });
  files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(journal));
  files.put(`${images}/ghostkeep/linked-1.img`, image);
  files.put(
    `${images}/files.img`,
    filesImage(
      regFile({ id: 1, name: 'file[1e:1]', ext: true }),
      regFile({ id: 2, name: 'file[1f:2]', ext: true }),
      regFile({ id: 3, name: 'file[1f:2]', ext: true }),
      regFile({ id: 4, name: 'file[99:9]', ext: true }),
    ),
  );
  return context;
}

describe('sealImages with linked ghosts', () => {
  it('when the dump is sealed, every open file of a linked ghost gets the other name, no remap is written, and the content stays in our image', async () => {
    const context = dumped();
    const { files } = context.host;
    const { manifest } = sealImages(context, images, { durable: true });
    assert.deepEqual(filesOf(files.get(`${images}/files.img`)), [
      '1 /data/other @30',
      '2 /dev/shm/sem.a @31',
      '3 /dev/shm/sem.a @31',
      '4 file[99:9] external',
    ]);
    assert.deepEqual(files.get(`${images}/remap-fpath.img`), remapsImage());
    assert.deepEqual(
      manifest.ghosts.map(ghost => [ghost.image, ghost.linked]),
      [['ghostkeep-linked-1.img', linked]],
    );
    assert.deepEqual(files.get(`${images}/ghostkeep-linked-1.img`), image);
    assert.deepEqual(
      Object.keys(files.snapshot()).filter(path => path.startsWith(`${images}/ghostkeep/`)),
      [],
    );
    assert.deepEqual((await verify(context, images)).damage, []);
  });

  it('when CRIU dumped no mount namespace, the entries get no mount id, as CRIU would write them', () => {
    const context = dumped(false);
    sealImages(context, images, { durable: true });
    assert.deepEqual(filesOf(context.host.files.get(`${images}/files.img`)).slice(0, 2), [
      '1 /data/other',
      '2 /dev/shm/sem.a',
    ]);
  });

  it('when the dump is sealed a second time, nothing changes', () => {
    const context = dumped();
    sealImages(context, images, { durable: true });
    const { changes } = context.host.files;
    assert.equal(sealImages(context, images, { durable: true }).now, false);
    assert.equal(context.host.files.changes, changes);
  });

  it('when the seal is interrupted before any change and repeated, the result is the same', () => {
    const whole = dumped();
    sealImages(whole, images, { durable: true });
    const expected = whole.host.files.snapshot();
    const { changes } = whole.host.files;
    assert.ok(changes >= 5, `${changes} changes`);
    for (let at = 1; at <= changes; at += 1) {
      const context = dumped();
      context.host.files.interruptAt = at;
      assert.throws(
        () => sealImages(context, images, { durable: true }),
        (error: Error) => error.cause instanceof Interrupted,
      );
      sealImages(context, images, { durable: true });
      assert.deepEqual(context.host.files.snapshot(), expected, `interrupted at change ${at} of ${changes}`);
    }
  });
});

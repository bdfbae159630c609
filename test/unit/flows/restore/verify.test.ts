import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bound } from '../../../../src/base/bounds.js';
import type { Manifest } from '../../../../src/base/documents/generated/manifest.js';
import { makeDev } from '../../../../src/base/units.js';
import { encodeGhostHead, type GhostHead } from '../../../../src/criu/ghost-file.js';
import { encodeExternalFiles } from '../../../../src/criu/seal-plan.js';
import { verify } from '../../../../src/flows/restore/verify.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { filesImage, regFile, remap, remapsImage } from '../../criu/images.js';
import { errno, type FakeContext, fakeContext } from '../../fake-host.js';

const images = '/img';
const head: GhostHead = {
  uid: 0,
  gid: 0,
  mode: 0o100644,
  dev: makeDev(8n, 1n),
  ino: 4711n,
  size: 5n,
  atimeNs: 1_000_000_000n,
  mtimeNs: 2_000_000_000n,
};
const imageOf = (values: Partial<GhostHead> = {}) =>
  Buffer.concat([encodeGhostHead({ ...head, ...values }), Buffer.from('ghost')]);

function sealed(values: Partial<Manifest> = {}): FakeContext {
  const context = fakeContext();
  const { files } = context.host;
  files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(aManifest(values)));
  files.put(`${images}/ghost-file-1.img`, imageOf());
  files.put(`${images}/files.img`, filesImage(regFile({ id: 2, name: '/data/tmp', mount: 30 })));
  files.put(`${images}/remap-fpath.img`, remapsImage(remap(2, 1, 1)));
  return context;
}
const damageOf = async (context: FakeContext) =>
  (await verify(context, images)).damage.map(({ code, subject }) => `${code} ${subject}`);

describe('verify', () => {
  it('when the dump is whole, there is no damage', async () => {
    assert.deepEqual(await verify(sealed(), images), { images, ghosts: 1, checked: 'structure', damage: [] });
  });

  it('when every image has a checksum, the result says that the content was checked', async () => {
    const data = { bytes: 5, chunks: 1, unwritten: 0, imageBytes: 9, engine: 'seek', fallbacks: 0 } as const;
    const ghost = aManifestGhost({ data: { ...data, ways: [], digest: 'crc32c:00000000' } });
    const checked = async (...ghosts: (typeof ghost)[]) => (await verify(sealed({ ghosts }), images)).checked;
    assert.equal(await checked(ghost), 'digest');
    assert.equal(await checked(ghost, aManifestGhost()), 'structure');
  });

  it('when the disk has lost what was written, verify reports damage even if the page cache still has it', async () => {
    const context = sealed();
    const { lostWrites } = context.host.files;
    lostWrites.add(`${images}/ghost-file-1.img`);
    assert.deepEqual((await verify(context, images, { fromDisk: false })).damage, []);
    assert.deepEqual(await damageOf(context), ['IMAGE_INVALID ghost-file-1.img']);
  });

  it('when inventory.img is that of another checkpoint, verify reports damage', async () => {
    const context = sealed({ inventory: Buffer.from('mine').toString('base64') });
    context.host.files.put(`${images}/inventory.img`, 'mine');
    assert.deepEqual(await damageOf(context), []);
    context.host.files.put(`${images}/inventory.img`, 'another');
    assert.deepEqual(await damageOf(context), ['IMAGE_MISMATCH inventory.img']);
  });

  it('when any field in the head of an image differs from the manifest, verify names the field', async () => {
    const changes: [string, Partial<GhostHead>][] = [
      ['uid', { uid: 1 }],
      ['gid', { gid: 1 }],
      ['mode', { mode: 0o104644 }],
      ['dev', { dev: makeDev(8n, 2n) }],
      ['ino', { ino: 4712n }],
      ['atime', { atimeNs: 1_000_001_000n }],
      ['mtime', { mtimeNs: -2_000_000_000n }],
    ];
    for (const [name, change] of changes) {
      const context = sealed();
      context.host.files.put(`${images}/ghost-file-1.img`, imageOf(change));
      const { damage } = await verify(context, images);
      assert.deepEqual(
        damage.map(({ code }) => code),
        ['IMAGE_MISMATCH'],
        name,
      );
      assert.ok(damage[0]?.message.includes(`${name} differ`), damage[0]?.message);
    }
  });

  it('when one image is damaged, the others are still checked', async () => {
    const other = aManifestGhost({ id: 2, image: 'ghost-file-2.img', paths: [] });
    const context = sealed({ ghosts: [aManifestGhost(), other] });
    context.host.files.put(`${images}/ghost-file-1.img`, 'x');
    assert.deepEqual(await damageOf(context), [
      'IMAGE_INVALID ghost-file-1.img',
      'IMAGE_MISSING ghost-file-2.img',
    ]);
  });

  it('when an image may not be read, verify says that it cannot read it, and not that it is damaged', async () => {
    const refusals: [string, 'open' | 'read' | 'readIfThere', string][] = [
      ['ghost-file-1.img', 'open', 'ghost-file-1.img'],
      ['files.img', 'read', images],
      ['remap-fpath.img', 'readIfThere', images],
      ['ghostkeep-manifest.json', 'readIfThere', images],
    ];
    for (const [name, call, subject] of refusals) {
      const context = sealed();
      const { files } = context.host;
      const really = files[call] as (path: string, bound: Bound) => unknown;
      Object.assign(files, {
        [call]: (path: string, bound: Bound) => {
          if (path === `${images}/${name}`) throw errno('EACCES', path);
          return really.call(files, path, bound);
        },
      });
      const { damage } = await verify(context, images);
      assert.deepEqual(
        damage.map(({ code, subject }) => [code, subject]),
        [['PERMISSION', subject]],
      );
      assert.match(damage[0]?.message ?? '', /^cannot read .*EACCES.*/);
    }
  });

  it("when CRIU's files do not fit the manifest any more, verify names them", async () => {
    const external = sealed();
    external.host.files.put(
      `${images}/files.img`,
      filesImage(regFile({ id: 2, name: 'file[1e:1267]', ext: true })),
    );
    assert.deepEqual(await damageOf(external), ['IMAGE_MISMATCH files.img']);

    const missing = sealed();
    missing.host.files.contents.delete(`${images}/files.img`);
    assert.deepEqual(await damageOf(missing), ['IMAGE_MISSING files.img']);

    const cut = sealed();
    cut.host.files.put(`${images}/remap-fpath.img`, remapsImage(remap(2, 1, 1)).subarray(0, -1));
    assert.deepEqual(await damageOf(cut), ['CRIU_IMAGE_INVALID remap-fpath.img']);

    const dangling = sealed();
    dangling.host.files.put(`${images}/remap-fpath.img`, remapsImage(remap(2, 1, 1), remap(3, 9, 1)));
    assert.deepEqual(await damageOf(dangling), ['IMAGE_MISSING ghost-file-9.img']);
  });

  it('when a remap is lost, verify says that its file would not come back', async () => {
    const empty = sealed();
    empty.host.files.put(`${images}/remap-fpath.img`, remapsImage());
    assert.deepEqual(await damageOf(empty), ['IMAGE_MISMATCH remap-fpath.img']);

    const gone = sealed();
    gone.host.files.contents.delete(`${images}/remap-fpath.img`);
    assert.deepEqual(await damageOf(gone), ['IMAGE_MISMATCH remap-fpath.img']);
  });

  it('when the manifest is missing or hostile, verify reports that as the damage', async () => {
    assert.deepEqual(await damageOf(fakeContext()), [`MANIFEST_MISSING ${images}`]);
    const context = sealed();
    context.host.files.put(`${images}/ghostkeep-manifest.json`, '[]');
    assert.deepEqual(await damageOf(context), [`MANIFEST_INVALID ${images}/ghostkeep-manifest.json`]);
  });

  it('when the seal was interrupted, verify says how to finish it', async () => {
    const context = fakeContext();
    context.host.files.put(`${images}/ghostkeep/journal.json`, '{}');
    const { damage } = await verify(context, images);
    assert.match(damage[0]?.message ?? '', /not sealed; run `ghostkeep seal -D \/img`/);
  });

  it('when there is more damage than a call may have arguments, verify lists all of it', async () => {
    const keys = Array.from({ length: 150_000 }, (_, index) => `file[1:${index.toString(16)}]`);
    const paths = keys.map(key => ({ key, mount: 1, path: '/x' }));
    const context = sealed({ ghosts: [aManifestGhost({ paths })] });
    context.host.files.put(`${images}/files.img`, encodeExternalFiles(keys));
    assert.equal((await damageOf(context)).length, keys.length);
  });
});

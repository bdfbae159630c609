import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bounds } from '../../../../src/base/bounds.js';
import type { Manifest } from '../../../../src/base/documents/generated/manifest.js';
import { joinImage, magic } from '../../../../src/criu/frame.js';
import { encodeGhostHead } from '../../../../src/criu/ghost-file.js';
import { verify } from '../../../../src/flows/restore/verify.js';
import { sealImages } from '../../../../src/flows/seal/seal.js';
import { isOfThisCheckpoint } from '../../../../src/image/inventory.js';
import { writeJournal } from '../../../../src/image/manifest.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { filesImage, property, regFile, remap, remapsImage } from '../../criu/images.js';
import { bytes, message } from '../../criu/wire.js';
import { ghostkeepError } from '../../expect.js';
import { errno, type FakeContext, fakeContext, fakeFile, Interrupted } from '../../fake-host.js';

const images = '/img';
const frozen = (value: string) =>
  joinImage(magic.CGROUP, [
    message(2, bytes(1, 'u'), message(2, bytes(1, 'web'), property('cgroup.freeze', value))),
  ]);

function imageOf(ino: bigint, content: string): Buffer {
  const head = encodeGhostHead({
    uid: 0,
    gid: 0,
    mode: 0o100644,
    dev: 0x801n,
    ino,
    size: BigInt(content.length),
    atimeNs: 1_000_000_000n,
    mtimeNs: 2_000_000_000n,
  });
  return Buffer.concat([head, Buffer.from(content)]);
}

function ghostOf(index: number): Manifest['ghosts'][number] {
  const ino = 0x1000 + index;
  const key = `file[1e:${ino.toString(16)}]`;
  return aManifestGhost({
    id: index,
    image: `ghostkeep/pending-${index}.img`,
    ino,
    size: 7,
    path: `/data/${index}`,
    key: [key],
    paths: [{ key, mount: 30, path: `/data/${index}` }],
  });
}

/** An image directory as it is when CRIU has ended: three ghosts of ours, one of CRIU's with id 4. */
function dumped(values: Partial<Manifest> = {}): FakeContext {
  const context = fakeContext();
  const { files } = context.host;
  const journal = aManifest({ state: 'dumped', thaw: true, ghosts: [1, 2, 3].map(ghostOf), ...values });
  files.put(`${images}/ghostkeep/journal.json`, JSON.stringify(journal));
  files.put(`${images}/ghostkeep/reserve`, Buffer.alloc(1024));
  for (const index of [1, 2, 3])
    files.put(`${images}/ghostkeep/pending-${index}.img`, imageOf(BigInt(0x1000 + index), `ghost ${index}`));
  files.put(
    `${images}/files.img`,
    filesImage(
      ...[1, 2, 3].map(n =>
        regFile({ id: 10 + n, name: `file[1e:${(0x1000 + n).toString(16)}]`, ext: true }),
      ),
      regFile({ id: 20, name: '/small', mount: 30 }),
    ),
  );
  files.put(`${images}/remap-fpath.img`, remapsImage(remap(20, 4, 1)));
  files.put(`${images}/ghost-file-4.img`, imageOf(9n, 'of criu'));
  files.put(`${images}/cgroup.img`, frozen('1'));
  return context;
}

/** The third ghost was closed before CRIU dumped it, so files.img has no entry for it. */
function closedEarly(): FakeContext {
  const context = dumped();
  const open = [1, 2].map(n =>
    regFile({ id: 10 + n, name: `file[1e:${(0x1000 + n).toString(16)}]`, ext: true }),
  );
  context.host.files.put(`${images}/files.img`, filesImage(...open));
  return context;
}

describe('sealImages', () => {
  it('when CRIU has encrypted the image (cipher.img), no file is changed until cipher.img is gone', () => {
    const context = dumped();
    const { files } = context.host;
    files.put(`${images}/cipher.img`, 'a token');
    const before = files.snapshot();
    const expected = ghostkeepError('SEAL_FAILED', 'cipher.img', 'decrypt', 'ghostkeep seal -D /img');
    assert.throws(() => sealImages(context, images, { durable: true }), expected);
    assert.deepEqual(files.snapshot(), before);
    files.remove(`${images}/cipher.img`);
    assert.equal(sealImages(context, images, { durable: true }).manifest.state, 'sealed');
  });

  it('when the manifest has no room for the ghosts that CRIU dumped itself, they are left out, and the seal succeeds', () => {
    const context = dumped();
    const { files } = context.host;
    const path = `/${'x'.repeat(bounds.files.bytes - (23 << 20))}`;
    const small = regFile({ id: 20, name: path, mount: 30 });
    const ours = [1, 2, 3].map(n =>
      regFile({ id: 10 + n, name: `file[1e:${(0x1000 + n).toString(16)}]`, ext: true }),
    );
    files.put(`${images}/files.img`, filesImage(...ours, small));
    const { manifest } = sealImages(context, images, { durable: true });
    assert.equal(manifest.state, 'sealed');
    const written = JSON.parse(files.get(`${images}/ghostkeep-manifest.json`).toString()) as Manifest;
    assert.deepEqual(
      written.ghosts.map(({ id }) => id),
      [5, 6, 7],
    );
    assert.match(context.lines.join('\n'), /no room for 1 ghost that CRIU dumped itself/);
  });

  it('when the dump must survive a power failure, each image is on the disk before the manifest names it', () => {
    for (const durable of [true, false]) {
      const context = dumped();
      const { files } = context.host;
      const synced: string[] = [];
      files.sync = path => {
        assert.ok(!files.exists(`${images}/ghostkeep-manifest.json`), 'there is no manifest yet');
        synced.push(path);
      };
      sealImages(context, images, { durable });
      assert.deepEqual(synced, durable ? [5, 6, 7].map(id => `${images}/ghost-file-${id}.img`) : []);
    }
  });

  it("when an earlier checkpoint's ghosts are known, their images are removed, except those that an entry names or that are not known", () => {
    for (const interruptAt of [Number.POSITIVE_INFINITY, 6]) {
      const context = dumped({ earlierGhosts: [4, 5, 8, 9] });
      const { files } = context.host;
      for (const id of [5, 8, 9, 10]) files.put(`${images}/ghost-file-${id}.img`, imageOf(5n, 'earlier'));
      const before = files.snapshot();
      files.interruptAt = interruptAt;
      if (interruptAt < 100) {
        assert.throws(() => sealImages(context, images, { durable: true }));
        assert.ok(before[`${images}/ghost-file-8.img`] && files.exists(`${images}/ghost-file-8.img`));
      }
      const { manifest } = sealImages(context, images, { durable: true });
      assert.deepEqual(
        files
          .list(images)
          .filter(name => name.startsWith('ghost-file'))
          .sort(),
        ['ghost-file-10.img', ...[4, 5, 6, 7].map(id => `ghost-file-${id}.img`)],
      );
      assert.deepEqual(
        manifest.ghosts.map(({ id }) => id),
        [5, 6, 7, 4],
      );
      assert.ok(!('earlierGhosts' in manifest));
    }
  });

  it("when the dump is sealed, our ids follow CRIU's, external files become ghosts, and CRIU's own ghosts are listed", async () => {
    const context = dumped();
    const { manifest, now } = sealImages(context, images, { durable: true });
    assert.equal(now, true);
    assert.equal(manifest.state, 'sealed');
    assert.deepEqual(
      manifest.ghosts.map(({ id, image, adopted, path }) => [id, image, adopted, path]),
      [
        [5, 'ghost-file-5.img', undefined, '/data/1'],
        [6, 'ghost-file-6.img', undefined, '/data/2'],
        [7, 'ghost-file-7.img', undefined, '/data/3'],
        [4, 'ghost-file-4.img', true, '/small'],
      ],
    );
    const { files } = context.host;
    assert.deepEqual(Object.keys(files.snapshot()), [
      '/img/cgroup.img',
      '/img/files.img',
      '/img/ghost-file-4.img',
      '/img/ghost-file-5.img',
      '/img/ghost-file-6.img',
      '/img/ghost-file-7.img',
      '/img/ghostkeep-manifest.json',
      '/img/inventory.img',
      '/img/remap-fpath.img',
    ]);
    assert.deepEqual(
      files.get(`${images}/remap-fpath.img`),
      remapsImage(remap(11, 5, 1), remap(12, 6, 1), remap(13, 7, 1), remap(20, 4, 1)),
    );
    assert.deepEqual(files.get(`${images}/cgroup.img`), frozen('0'));
    assert.deepEqual((await verify(context, images)).damage, []);
  });

  it('when the seal is interrupted before any change and repeated, the result is the same and no image is lost', () => {
    const whole = dumped();
    sealImages(whole, images, { durable: true });
    const expected = whole.host.files.snapshot();
    const changes = whole.host.files.changes;
    assert.ok(changes >= 9, `${changes} changes`);
    for (let at = 1; at <= changes; at += 1) {
      const context = dumped();
      const { files } = context.host;
      files.interruptAt = at;
      assert.throws(
        () => sealImages(context, images, { durable: true }),
        (error: Error) => error.cause instanceof Interrupted,
      );
      const contents = Object.values(files.snapshot());
      for (const index of [1, 2, 3])
        assert.ok(
          contents.includes(imageOf(BigInt(0x1000 + index), `ghost ${index}`).toString('hex')),
          `change ${at}`,
        );
      sealImages(context, images, { durable: true });
      assert.deepEqual(files.snapshot(), expected, `interrupted at change ${at} of ${changes}`);
    }
  });

  it('when the seal is interrupted again and again, it ends with the same result', () => {
    const whole = dumped();
    sealImages(whole, images, { durable: true });
    const context = dumped();
    const { files } = context.host;
    for (let at = 1; at < 40; at += 1) {
      files.changes = 0;
      files.interruptAt = at;
      try {
        sealImages(context, images, { durable: true });
        break;
      } catch (error) {
        assert.ok((error as Error).cause instanceof Interrupted);
      }
    }
    assert.deepEqual(files.snapshot(), whole.host.files.snapshot());
  });

  it('when a seal by an old version was interrupted in its last step, the result has the new layout', () => {
    const whole = dumped();
    const { manifest } = sealImages(whole, images, { durable: true });
    for (let at = 1; at < 20; at += 1) {
      const context = dumped();
      const { files } = context.host;
      files.put(`${images}/ghostkeep/manifest.json`, JSON.stringify(manifest));
      files.interruptAt = at;
      try {
        sealImages(context, images, { durable: true });
      } catch (error) {
        assert.ok((error as Error).cause instanceof Interrupted);
      }
      sealImages(context, images, { durable: true });
      assert.deepEqual(files.snapshot(), whole.host.files.snapshot(), `interrupted at change ${at}`);
    }
  });

  it('when the working folder cannot be removed, the dump is sealed and a warning names it', () => {
    const context = dumped();
    const { files } = context.host;
    files.removeTree = () => {
      throw errno('EBUSY');
    };
    assert.equal(sealImages(context, images, { durable: true }).now, true);
    assert.match(context.lines.join('\n'), /^warn cannot remove \/img\/ghostkeep: .*EBUSY/m);
  });

  it('when the dump was sealed by an old version, the error says so and no file is changed', () => {
    const context = fakeContext();
    const { files } = context.host;
    files.put(`${images}/ghostkeep/manifest.json`, JSON.stringify(aManifest()));
    const before = files.snapshot();
    assert.throws(
      () => sealImages(context, images, { durable: true }),
      ghostkeepError('MANIFEST_INVALID', 'old layout (ghostkeep/manifest.json in it)', '`tool` in that file'),
    );
    assert.deepEqual(files.snapshot(), before);
  });

  it('when the dump was sealed before, the result says so and no file is changed', () => {
    const context = dumped();
    const first = sealImages(context, images, { durable: true });
    const { changes } = context.host.files;
    const second = sealImages(context, images, { durable: true });
    assert.equal(second.now, false);
    assert.deepEqual(second.manifest, first.manifest);
    assert.equal(context.host.files.changes, changes);
  });

  it('when CRIU wrote no remap-fpath.img, the seal makes it, and ids begin at 1', () => {
    const context = dumped();
    const { files } = context.host;
    files.contents.delete(`${images}/remap-fpath.img`);
    const { manifest } = sealImages(context, images, { durable: false });
    assert.deepEqual(
      manifest.ghosts.map(({ id }) => id),
      [1, 2, 3],
    );
    assert.deepEqual(
      files.get(`${images}/remap-fpath.img`),
      remapsImage(remap(11, 1, 1), remap(12, 2, 1), remap(13, 3, 1)),
    );
  });

  it("when the dump was made without CRIU, the seal does not need CRIU's files", () => {
    const context = dumped({ criu: false });
    for (const name of ['files.img', 'remap-fpath.img', 'cgroup.img'])
      context.host.files.contents.delete(`${images}/${name}`);
    assert.deepEqual(
      sealImages(context, images, { durable: true }).manifest.ghosts.map(({ image }) => image),
      ['ghost-file-1.img', 'ghost-file-2.img', 'ghost-file-3.img'],
    );
  });

  it('when we did not freeze the container, cgroup.img stays as it is', () => {
    const context = dumped({ thaw: false });
    sealImages(context, images, { durable: true });
    assert.deepEqual(context.host.files.get(`${images}/cgroup.img`), frozen('1'));
  });

  it('when an image is missing, the seal fails, says how to go on, and leaves the journal', () => {
    const context = dumped();
    context.host.files.contents.delete(`${images}/ghostkeep/pending-2.img`);
    assert.throws(
      () => sealImages(context, images, { durable: true }),
      ghostkeepError('IMAGE_MISSING', 'ghost-file-6.img'),
    );
    assert.ok(context.host.files.exists(`${images}/ghostkeep/journal.json`));
    assert.ok(!context.host.files.exists(`${images}/ghostkeep-manifest.json`));
  });

  it('when an image is missing and an earlier checkpoint has left one of its final name, the older image is not taken for it', () => {
    const context = dumped();
    const { files } = context.host;
    files.contents.delete(`${images}/ghostkeep/pending-2.img`);
    files.put(`${images}/ghost-file-6.img`, imageOf(0x9999n, 'older'));
    for (let time = 0; time < 2; time += 1)
      assert.throws(
        () => sealImages(context, images, { durable: true }),
        ghostkeepError('IMAGE_MISSING', 'pending-2.img', 'ghost-file-6.img was there before'),
      );
    assert.ok(!files.exists(`${images}/ghostkeep-manifest.json`));
  });

  it('when another program has made an image of a final name since the dump began, that image stays, and the seal waits until it is moved', () => {
    const context = dumped({ criu: false });
    const { files } = context.host;
    files.put(`${images}/ghost-file-2.img`, 'the only copy');
    assert.throws(
      () => sealImages(context, images, { durable: true }),
      ghostkeepError('SEAL_FAILED', 'ghost-file-2.img', 'ghostkeep seal -D'),
    );
    assert.equal(files.get(`${images}/ghost-file-2.img`).toString(), 'the only copy');
    assert.ok(!files.exists(`${images}/ghost-file-1.img`));
    files.rename(`${images}/ghost-file-2.img`, '/elsewhere');
    assert.equal(sealImages(context, images, { durable: true }).now, true);
  });

  it("when CRIU's files.img is missing or damaged, the seal fails and leaves the journal", () => {
    for (const damage of [undefined, Buffer.from('x'), Buffer.alloc(0)]) {
      const context = dumped();
      const { files } = context.host;
      if (damage) files.put(`${images}/files.img`, damage);
      else files.contents.delete(`${images}/files.img`);
      assert.throws(
        () => sealImages(context, images, { durable: true }),
        damage
          ? ghostkeepError('CRIU_IMAGE_INVALID', 'files.img')
          : ghostkeepError('SEAL_FAILED', 'ghostkeep seal -D'),
      );
      assert.ok(files.exists(`${images}/ghostkeep/journal.json`));
    }
  });

  it('when CRIU has not finished, no image gets its final name, and no file is changed', () => {
    const earlier = { content: Buffer.from('an earlier one').toString('base64'), mtime: '7.000000000' };
    const context = dumped({ earlierInventory: earlier });
    const { files } = context.host;
    const inventory = `${images}/inventory.img`;
    const put = (content: string, mtimeNs: bigint) =>
      files.contents.set(inventory, fakeFile({ content: Buffer.from(content), mtimeNs }));
    const states = [
      () => put('an earlier one', 7_000_000_000n),
      () => put('', 9_000_000_000n),
      () => files.contents.delete(inventory),
    ];
    for (const arrange of states) {
      arrange();
      assert.throws(
        () => sealImages(context, images, { durable: true }),
        ghostkeepError('SEAL_FAILED', 'CRIU has not finished'),
      );
      assert.ok(files.exists(`${images}/ghostkeep/pending-1.img`));
      assert.ok(!files.exists(`${images}/ghost-file-5.img`));
    }
    // CRIU 4.0 writes the same bytes each time; a clock of the file server may be behind.
    put('an earlier one', 6_999_999_999n);
    const { manifest } = sealImages(context, images, { durable: true });
    assert.equal(manifest.earlierInventory, undefined);
  });

  it("when CRIU has written another checkpoint into the directory since, the manifest does not count as that checkpoint's", () => {
    const context = dumped();
    const { files } = context.host;
    const { manifest } = sealImages(context, images, { durable: true });
    assert.ok(isOfThisCheckpoint(files, images, manifest));
    files.put(`${images}/inventory.img`, 'another');
    assert.ok(!isOfThisCheckpoint(files, images, manifest));
  });

  it('when a ghost was closed before CRIU dumped it, neither the manifest nor the directory keeps it', () => {
    const context = closedEarly();
    const { manifest } = sealImages(context, images, { durable: true });
    assert.deepEqual(
      manifest.ghosts.map(({ path }) => path),
      ['/data/1', '/data/2'],
    );
    assert.ok(!context.host.files.exists(`${images}/ghost-file-7.img`));
  });

  it('when a ghost was closed before CRIU dumped it and the seal is interrupted anywhere, the seal can be repeated', () => {
    const whole = closedEarly();
    sealImages(whole, images, { durable: true });
    for (let at = 1; at <= whole.host.files.changes; at += 1) {
      const context = closedEarly();
      const { files } = context.host;
      files.interruptAt = at;
      try {
        sealImages(context, images, { durable: true });
      } catch (error) {
        assert.ok((error as Error).cause instanceof Interrupted);
      }
      const { manifest } = sealImages(context, images, { durable: true });
      assert.equal(manifest.ghosts.length, 2, `interrupted at change ${at}`);
      for (const ghost of manifest.ghosts) assert.ok(files.exists(`${images}/${ghost.image}`));
    }
  });

  it('when the journal has the final ids already, they stay, and no image is lost', () => {
    const context = dumped({
      ghosts: [1, 2, 3].map(n => ({ ...ghostOf(n), id: 4 + n, image: `ghost-file-${4 + n}.img` })),
    });
    const { files } = context.host;
    for (const n of [1, 2, 3])
      files.rename(`${images}/ghostkeep/pending-${n}.img`, `${images}/ghost-file-${4 + n}.img`);
    files.put(
      `${images}/remap-fpath.img`,
      remapsImage(remap(11, 5, 1), remap(12, 6, 1), remap(13, 7, 1), remap(20, 4, 1)),
    );
    const { manifest } = sealImages(context, images, { durable: true });
    assert.deepEqual(
      manifest.ghosts.map(({ id, adopted }) => [id, adopted]),
      [
        [5, undefined],
        [6, undefined],
        [7, undefined],
        [4, true],
      ],
    );
    for (const { image } of manifest.ghosts) assert.ok(files.exists(`${images}/${image}`), image);
  });

  it('when content is still to be copied, or nothing was dumped at all, the error says which', () => {
    assert.throws(
      () => sealImages(dumped({ state: 'pinned' }), images, { durable: true }),
      ghostkeepError('SEAL_FAILED', 'not all ghosts are copied'),
    );
    assert.throws(
      () => sealImages(fakeContext(), images, { durable: true }),
      ghostkeepError('MANIFEST_MISSING', images),
    );
  });

  it('when the journal is hostile, no file outside the directory is changed', () => {
    const context = dumped({ ghosts: [{ ...ghostOf(1), image: '../../etc/passwd' }] });
    assert.throws(
      () => sealImages(context, images, { durable: true }),
      ghostkeepError('MANIFEST_INVALID', 'image'),
    );
    for (const text of ['', '0\n', '-1\n', '1', 'x\n', '99999999999\n']) {
      const other = dumped();
      other.host.files.put(`${images}/ghostkeep/first-id`, text);
      assert.throws(
        () => sealImages(other, images, { durable: true }),
        ghostkeepError('MANIFEST_INVALID', 'first-id'),
      );
      assert.ok(other.host.files.exists(`${images}/ghostkeep/pending-1.img`));
    }
  });

  it('when a journal would be larger than ghostkeep reads, it is not written at all', () => {
    const { host } = fakeContext();
    const most = 'x'.repeat(bounds.manifest.bytes);
    // The second document is so large that JavaScript has no string for it.
    for (const xattrs of [{ 'user.a': most }, { 'user.a': most, 'user.b': most }]) {
      const journal = aManifest({ ghosts: [aManifestGhost({ xattrs })] });
      assert.throws(
        () => writeJournal(host.files, images, journal, { durable: false }),
        ghostkeepError('MANIFEST_INVALID', 'larger than ghostkeep can read'),
      );
    }
    assert.deepEqual(host.files.snapshot(), {});
  });
});

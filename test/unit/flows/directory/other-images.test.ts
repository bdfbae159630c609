import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assertNoImages,
  noteEarlierGhosts,
  noteOlderImages,
  removeImagesAlone,
  setAsideOlderImages,
} from '../../../../src/flows/directory/other-images.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { remap, remapsImage } from '../../criu/images.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext, fakeFile } from '../../fake-host.js';

const images = '/img';

function directory(...names: string[]) {
  const context = fakeContext();
  const { files } = context.host;
  files.folders.add(images);
  for (const name of names) files.put(`${images}/${name}`, name);
  return { context, files };
}

function withDump(criu: boolean, ...names: string[]) {
  const made = directory(...names);
  const ghosts = [aManifestGhost({ id: 1, image: 'ghost-file-1.img' })];
  made.files.put(`${images}/ghostkeep-manifest.json`, JSON.stringify(aManifest({ criu, ghosts })));
  return made;
}

describe('assertNoImages', () => {
  it('when the directory has no image, a dump into it is allowed', () => {
    for (const names of [[], ['dump.log', 'stats', 'ghost-file-1.img.lost', 'ghostkeep/pending-1.img']])
      assertNoImages(directory(...names).context, images);
    assertNoImages(fakeContext(), '/none');
  });

  it('when the directory has an image that no dump of ours lists, a dump into it is refused', () => {
    for (const name of ['ghost-file-1.img', 'inventory.img', 'pages-1.img', 'core-1.img'])
      assert.throws(
        () => assertNoImages(directory(name, 'dump.log').context, images),
        ghostkeepError('BAD_INPUT', name, 'another directory'),
      );
    assert.throws(
      () => assertNoImages(directory('a.img', 'b.img', 'c.img').context, images),
      ghostkeepError('BAD_INPUT', 'a.img and 2 more'),
    );
  });

  it('when the directory has a dump of ours without CRIU, a new dump may replace the images of that dump and no others', () => {
    assertNoImages(withDump(false, 'ghost-file-1.img').context, images);
    const more = withDump(false, 'ghost-file-1.img', 'ghost-file-2.img');
    assert.throws(
      () => assertNoImages(more.context, images),
      ghostkeepError('BAD_INPUT', 'ghost-file-2.img'),
    );
    removeImagesAlone(more.context, images);
    assert.ok(!more.files.exists(`${images}/ghost-file-1.img`));
    assert.ok(more.files.exists(`${images}/ghost-file-2.img`));
  });

  it('when the directory has a checkpoint by CRIU, a dump without CRIU into it is refused, also if we have sealed that checkpoint', () => {
    const { context, files } = withDump(true, 'ghost-file-1.img');
    assert.throws(() => assertNoImages(context, images), ghostkeepError('BAD_INPUT', 'ghost-file-1.img'));
    removeImagesAlone(context, images);
    assert.ok(files.exists(`${images}/ghost-file-1.img`));
  });
});

describe('noteEarlierGhosts', () => {
  it('when the directory has a checkpoint, its ghosts are those that its remap-fpath.img names', () => {
    const { context, files } = directory('ghost-file-1.img', 'ghost-file-3.img');
    assert.deepEqual(noteEarlierGhosts(context, images), []);
    files.put(`${images}/remap-fpath.img`, remapsImage(remap(7, 1, 1), remap(8, 2, 1), remap(9, 5, 0)));
    assert.deepEqual(noteEarlierGhosts(context, images), [1, 2]);
  });

  it('when remap-fpath.img cannot be read, or names too many ghosts for a journal, no ghost is noted', () => {
    const { context, files } = directory();
    files.put(`${images}/remap-fpath.img`, 'damaged');
    assert.deepEqual(noteEarlierGhosts(context, images), []);
    const many = Array.from({ length: 10_001 }, (_, n) => remap(n + 1, n + 1, 1));
    files.put(`${images}/remap-fpath.img`, remapsImage(...many));
    assert.deepEqual(noteEarlierGhosts(context, images), []);
  });
});

describe('setAsideOlderImages', () => {
  /** Images 1, 2 and 3 were there before; the journal was written at 10 s; CRIU's remaps name 1 and 2. */
  function reused() {
    const made = directory();
    for (const id of [1, 2, 3])
      made.files.contents.set(
        `${images}/ghost-file-${id}.img`,
        fakeFile({ ino: BigInt(id), ctimeNs: 3_000_000_000n }),
      );
    const older = noteOlderImages(made.context, images);
    made.files.contents.set(`${images}/ghostkeep/journal.json`, fakeFile({ mtimeNs: 10_000_000_000n }));
    made.files.put(`${images}/remap-fpath.img`, remapsImage(remap(7, 1, 1), remap(8, 2, 1)));
    const replace = (values: Parameters<typeof fakeFile>[0]) =>
      made.files.contents.set(`${images}/ghost-file-2.img`, fakeFile(values));
    const left = () => setAsideOlderImages(made.context, images, older);
    return { ...made, replace, left };
  }

  it('when CRIU names an image that it has not written, that image is renamed to NAME.earlier, and no other image is', () => {
    const { files, replace, left } = reused();
    replace({ ino: 2n, ctimeNs: 11_000_000_000n });
    assert.deepEqual(left(), ['ghost-file-1.img']);
    assert.deepEqual(
      [1, 2, 3].map(id => files.exists(`${images}/ghost-file-${id}.img`)),
      [false, true, true],
    );
    assert.ok(files.exists(`${images}/ghost-file-1.img.earlier`), 'nothing is removed');
  });

  it('when any attribute of an image has changed, it counts as written by CRIU', () => {
    for (const values of [
      { ino: 9n, ctimeNs: 3_000_000_000n },
      { ino: 2n, ctimeNs: 3_000_000_000n, mtimeNs: 1n },
      { ino: 2n, ctimeNs: 3_000_000_000n, content: Buffer.from('longer than before') },
    ]) {
      const { replace, left } = reused();
      replace(values);
      assert.deepEqual(left(), ['ghost-file-1.img']);
    }
  });

  it('when the clock of the file system cannot tell an older image from a new one, the image stays', () => {
    const { files, left } = reused();
    files.contents.set(`${images}/ghostkeep/journal.json`, fakeFile({ mtimeNs: 3_000_000_000n }));
    assert.deepEqual(left(), []);
  });

  it('when the directory had no image before, no image is looked at', () => {
    const { context } = directory();
    assert.deepEqual(setAsideOlderImages(context, images, new Map()), []);
  });
});

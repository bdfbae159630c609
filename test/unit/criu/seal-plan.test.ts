import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GhostkeepError } from '../../../src/base/errors.js';
import { stillExternal } from '../../../src/criu/files-image.js';
import { joinImage, magic, splitImage } from '../../../src/criu/frame.js';
import { type ExternalGhost, largestRemapId, planSeal, remappedGhosts } from '../../../src/criu/seal-plan.js';
import { ghostkeepError } from '../expect.js';
import { filesOf } from './files-of.js';
import { filesImage, fown, pipeFile, regFile, remap, remapsImage } from './images.js';
import { bytes, fixed32, fixed64, message, varint, zigzag } from './wire.js';

const key = 'file[1e:1267]';
const ghost = (values: Partial<ExternalGhost> = {}): ExternalGhost => ({
  id: 7,
  paths: [{ key, mount: 30, path: Buffer.from('/data/tmp') }],
  ...values,
});
const live = regFile({ id: 1, name: '/usr/bin/app', mount: 25 }, fixed32(77, 1));
const external = regFile({ id: 2, name: key, ext: true });

const entriesOf = (image: Buffer, kind: number) =>
  splitImage(image, kind, 'x').map(entry => entry.toString('hex'));

describe('planSeal', () => {
  it('when a ghost is an external file, its entries become those that CRIU would have written', () => {
    const { files, remaps, turned } = planSeal(
      filesImage(live, external, pipeFile(3)),
      undefined,
      [ghost()],
      { mountNamespace: true },
    );
    // The known fields come in order, and the unknown ones follow unchanged.
    const reg = [
      varint(1, 2),
      varint(2, 0o100002),
      varint(3, 77),
      bytes(6, '/data/tmp'),
      zigzag(7, 30),
      fown,
      varint(8, 4096),
      varint(10, 0o100600),
    ];
    const sealed = Buffer.concat([varint(1, 1), varint(2, 2), message(3, ...reg)]);
    assert.deepEqual(
      entriesOf(files, magic.FILES),
      [live, sealed, pipeFile(3)].map(entry => entry.toString('hex')),
    );
    assert.deepEqual(entriesOf(remaps, magic.REMAP_FPATH), [remap(2, 7, 1).toString('hex')]);
    assert.equal(turned, 1);
  });

  it('when the processes share our mount namespace, mnt_id stays unset', () => {
    const { files } = planSeal(filesImage(external), undefined, [ghost()], { mountNamespace: false });
    assert.ok(!files.includes(zigzag(7, 30)));
    assert.ok(files.includes(Buffer.from('/data/tmp')));
  });

  it('when CRIU is newer than our schema, unknown fields survive byte for byte', () => {
    const inReg = Buffer.concat([
      varint(11, 0xffffffffffffffffn),
      bytes(1000, Buffer.from([0xff, 0x00, 0xfe])),
      fixed32(30, 0xdeadbeef),
      fixed64(31, 0x0123456789abcdefn),
      bytes(11, 'twice'),
    ]);
    const inFile = Buffer.concat([message(40, varint(1, 1)), varint(536870911, 1), fixed64(41, 1n)]);
    const { files } = planSeal(
      filesImage(regFile({ id: 2, name: key, ext: true, more: inReg }, inFile)),
      undefined,
      [ghost()],
      { mountNamespace: true },
    );
    const [entry = ''] = entriesOf(files, magic.FILES);
    assert.ok(entry.includes(inReg.toString('hex')), 'in the reg entry');
    assert.ok(entry.endsWith(inFile.toString('hex')), 'in the file entry');
  });

  it('when entries are not ours, they keep every byte, even in an order that we would not write', () => {
    const odd = Buffer.concat([
      bytes(3, Buffer.concat([bytes(6, '/x'), varint(1, 5), varint(3, 0), varint(2, 0), varint(9, 0)])),
      varint(2, 5),
      varint(1, 1),
    ]);
    const foreign = regFile({ id: 6, name: 'file[1e:9999]', ext: true });
    // This file's real name looks like a key, but the file is not external.
    const named = regFile({ id: 8, name: key });
    const { files, turned } = planSeal(filesImage(odd, foreign, named), undefined, [ghost()], {
      mountNamespace: true,
    });
    assert.deepEqual(files, filesImage(odd, foreign, named));
    assert.equal(turned, 0);
  });

  it('when a ghost is open through two mounts and twice in one, each open file gets a remap to the one image', () => {
    const two = ghost({
      paths: [
        { key, mount: 30, path: Buffer.from('/data/tmp') },
        { key: 'file[1f:1267]', mount: 31, path: Buffer.from('/other/tmp') },
      ],
    });
    const { files, remaps } = planSeal(
      filesImage(
        external,
        regFile({ id: 3, name: 'file[1f:1267]', ext: true }),
        regFile({ id: 4, name: key, ext: true }),
      ),
      undefined,
      [two],
      { mountNamespace: true },
    );
    assert.deepEqual([...stillExternal(files, [key])], []);
    assert.ok(files.includes(Buffer.concat([bytes(6, '/other/tmp'), zigzag(7, 31)])));
    assert.deepEqual(remaps, remapsImage(remap(2, 7, 1), remap(3, 7, 1), remap(4, 7, 1)));
  });

  it('when a seal is planned a second time, nothing changes', () => {
    const first = planSeal(filesImage(live, external), remapsImage(remap(1, 3, 0)), [ghost()], {
      mountNamespace: true,
    });
    const second = planSeal(first.files, first.remaps, [ghost()], { mountNamespace: true });
    assert.deepEqual(second.files, first.files);
    assert.deepEqual(second.remaps, first.remaps);
    assert.equal(second.turned, 0);
  });

  it('when a seal was interrupted after remap-fpath.img and before files.img, the repeated seal does not add the remap a second time', () => {
    const done = planSeal(filesImage(external), undefined, [ghost()], { mountNamespace: true });
    const again = planSeal(filesImage(external), done.remaps, [ghost()], { mountNamespace: true });
    assert.deepEqual(again.files, done.files);
    assert.deepEqual(again.remaps, done.remaps);
  });

  it('when a name is not UTF-8, its bytes are written', () => {
    const path = Buffer.from([0x2f, 0xff, 0x0a, 0xc3, 0x28]);
    const { files } = planSeal(
      filesImage(external),
      undefined,
      [ghost({ paths: [{ key, mount: 1, path }] })],
      { mountNamespace: true },
    );
    assert.ok(files.includes(bytes(6, path)));
  });

  it('when CRIU dumped some ghosts itself, they are adopted and their remaps keep their bytes', () => {
    const old = [remap(9, 1, 0), remap(5, 2, 1, varint(50, 3)), remap(6, 2, 1), remap(8, 4, 2)];
    const { adopted, remaps } = planSeal(
      filesImage(
        regFile({ id: 5, name: '/small', mount: 30 }),
        regFile({ id: 6, name: '/small', mount: 30 }),
        external,
      ),
      remapsImage(...old),
      [ghost()],
      { mountNamespace: true },
    );
    assert.deepEqual([...adopted], [[2, { path: Buffer.from('/small'), mount: 30 }]]);
    assert.deepEqual(remaps, remapsImage(remap(2, 7, 1), ...old));
  });

  const folder = (id: number, name: string, mode = 0o040755) => regFile({ id, name, mount: 30, mode });
  const removed = (files: Buffer[], ...old: Buffer[]) =>
    planSeal(filesImage(external, ...files), remapsImage(...old), [ghost()], { mountNamespace: true }).remaps;

  it('when a removed folder is open before or after its ghost in files.img, its remap comes last', () => {
    const expected = remapsImage(remap(2, 7, 1), remap(5, 1, 1));
    assert.deepEqual(removed([folder(5, '/data')], remap(5, 1, 1)), expected);
    const before = planSeal(
      filesImage(folder(5, '/data'), external),
      remapsImage(remap(5, 1, 1)),
      [ghost()],
      { mountNamespace: true },
    );
    assert.deepEqual(before.remaps, expected);
  });

  it("when CRIU dumped a FIFO or a file of a removed folder after the folder, the folder's remap still comes last", () => {
    const inside = [folder(6, '/data/fifo', 0o010600), folder(7, '/data/small', 0o100600)];
    const [five, six, seven] = [remap(5, 1, 1), remap(6, 2, 1), remap(7, 3, 1, varint(50, 3))];
    assert.deepEqual(
      removed([folder(5, '/data'), ...inside], five, six, seven),
      remapsImage(remap(2, 7, 1), six, seven, five),
    );
  });

  it('when removed folders lay in each other, inner ones come before outer ones, and the others keep their order', () => {
    const paths = ['/data', '/z', '/data/in/deep', '/data-2', '/data/in', '/data/in2', '/a', '/data/in'];
    const files = paths.map((path, index) => folder(20 + index, path));
    const old = paths.map((_, index) => remap(20 + index, 30 + index, 1));
    const ids = [22, 24, 27, 25, 20, 21, 23, 26];
    assert.deepEqual(
      removed(files, ...old),
      remapsImage(remap(2, 7, 1), ...ids.map(id => remap(id, id + 10, 1))),
    );
  });

  it('when a removed folder gets another name, all its open files get it, and no other entry changes', () => {
    const files = [folder(5, '/data'), folder(6, '/data'), folder(7, '/z'), folder(8, '/data'), external];
    const old = [remap(5, 1, 1), remap(6, 1, 1), remap(7, 2, 1)];
    const [was, as] = [Buffer.from('/data'), Buffer.from('/.ghostkeep-1')];
    const seal = (image: Buffer, mount = 30, mountNamespace = true) =>
      planSeal(image, remapsImage(...old), [ghost()], { mountNamespace }, [], [{ mount, was, as }]).files;
    const sealed = seal(filesImage(...files));
    const [five, six, ...others] = ['5 /.ghostkeep-1 @30', '6 /.ghostkeep-1 @30', '7 /z @30', '8 /data @30'];
    assert.deepEqual(filesOf(sealed), [five, six, ...others, '2 /data/tmp @30']);
    assert.ok(seal(sealed).equals(sealed), 'a second seal changed something');
    assert.equal(filesOf(seal(filesImage(...files), 31))[0], '5 /data @30');
    // CRIU writes no mount id where the processes have no mount namespace of their own. The seal is told
    // that.
    const bare = regFile({ id: 5, name: '/data', mode: 0o040755 });
    assert.deepEqual(filesOf(seal(filesImage(bare), 31, false)), ['5 /.ghostkeep-1']);
  });

  it('when two removed folders had one name, they get different names, also if the seal was interrupted', () => {
    const was = Buffer.from('/data');
    const old = remapsImage(remap(5, 1, 1), remap(6, 2, 1));
    const seal = (image: Buffer, ...names: string[]) =>
      planSeal(
        image,
        old,
        [],
        { mountNamespace: true },
        [],
        names.map(as => ({ mount: 30, was, as: Buffer.from(as) })),
      ).files;
    const files = filesImage(folder(5, '/data'), folder(6, '/data'));
    assert.deepEqual(filesOf(seal(files, '/a', '/b')), ['5 /a @30', '6 /b @30']);
    const one = seal(files, '/a');
    assert.deepEqual(filesOf(one), ['5 /a @30', '6 /data @30']);
    assert.ok(seal(one, '/a').equals(one), 'the second seal gave one name twice');
  });

  it("when a folder's remap is of another type, or the file's mode is unknown, the remap keeps its place", () => {
    const old = [remap(5, 6, 0), remap(6, 1, 1), remap(7, 9, 2), remap(99, 7, 0)];
    const files = [folder(5, '/data'), regFile({ id: 6, name: '/old', mount: 30, mode: null })];
    assert.deepEqual(removed([...files, folder(7, '/proc/9')], ...old), remapsImage(remap(2, 7, 1), ...old));
  });

  it('when an earlier version wrote the remaps in another order, a new seal corrects the order and keeps it', () => {
    const files = filesImage(folder(5, '/data'), external);
    const fromScratch = planSeal(files, remapsImage(remap(5, 1, 1)), [ghost()], { mountNamespace: true });
    for (const sealed of [files, fromScratch.files]) {
      const mended = planSeal(sealed, remapsImage(remap(5, 1, 1), remap(2, 7, 1)), [ghost()], {
        mountNamespace: true,
      });
      assert.deepEqual([mended.remaps, mended.files], [fromScratch.remaps, fromScratch.files]);
      assert.deepEqual(
        planSeal(mended.files, mended.remaps, [ghost()], { mountNamespace: true }).remaps,
        fromScratch.remaps,
      );
      assert.deepEqual([...mended.adopted.keys()], [1]);
    }
  });

  it('when files.img or remap-fpath.img is cut off anywhere, it is refused or read as whole, without a crash', () => {
    const files = filesImage(live, external, pipeFile(3));
    const remaps = remapsImage(remap(5, 2, 1), remap(6, 3, 1));
    let refused = 0;
    const attempt = (cutFiles: Buffer, cutRemaps: Buffer) => {
      try {
        planSeal(cutFiles, cutRemaps, [ghost()], { mountNamespace: true });
      } catch (error) {
        ghostkeepError('CRIU_IMAGE_INVALID')(error);
        refused += 1;
      }
    };
    for (let length = 0; length < files.length; length += 1) attempt(files.subarray(0, length), remaps);
    for (let length = 0; length < remaps.length; length += 1) attempt(files, remaps.subarray(0, length));
    // A cut image is whole only where it ends between entries: three places in files.img, two in
    // remap-fpath.img.
    assert.equal(refused, files.length + remaps.length - 5);
  });

  it('when an entry is cut off or damaged, it is refused or kept, without a crash', () => {
    for (let length = 0; length < external.length; length += 1) {
      for (const image of [filesImage(external.subarray(0, length)), filesImage(flipped(external, length))]) {
        try {
          planSeal(image, undefined, [ghost()], { mountNamespace: true });
        } catch (error) {
          ghostkeepError('CRIU_IMAGE_INVALID', 'files.img')(error);
        }
      }
    }
  });

  it('when fields that CRIU always writes are missing, the image is refused', () => {
    const bare = Buffer.concat([varint(1, 1), varint(2, 2), message(3, bytes(6, key), varint(9, 1))]);
    assert.throws(
      () => planSeal(filesImage(bare), undefined, [ghost()], { mountNamespace: true }),
      (error: unknown) => error instanceof GhostkeepError && error.code === 'CRIU_IMAGE_INVALID',
    );
  });
});

describe('remap ids', () => {
  it('when CRIU has given out ids, largestRemapId finds the largest', () => {
    assert.equal(largestRemapId(undefined), 0);
    assert.equal(
      largestRemapId(remapsImage(remap(1, 5, 1), remap(2, 0xfffffff0, 1), remap(3, 6, 1))),
      0xfffffff0,
    );
  });

  it('when a remap is of another type, it does not count as a ghost (a missing type reads as 0)', () => {
    assert.deepEqual(
      remappedGhosts(remapsImage(remap(1, 5), remap(2, 6, 0), remap(3, 7, 1), remap(4, 8, 2))),
      new Set([7]),
    );
  });

  it('when remap-fpath.img is an image of another kind, it is refused', () => {
    assert.throws(
      () => remappedGhosts(joinImage(magic.FILES, [])),
      ghostkeepError('CRIU_IMAGE_INVALID', 'remap-fpath.img'),
    );
  });
});

function flipped(entry: Buffer, at: number): Buffer {
  const out = Buffer.from(entry);
  out[at] = (out[at] as number) ^ 0xff;
  return out;
}

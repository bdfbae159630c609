import assert from 'node:assert/strict';
import fs from 'node:fs';
import { before, describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { GhostkeepError } from '../../src/base/errors.js';
import { joinImage, magic } from '../../src/criu/frame.js';
import { dumpGhosts } from '../../src/flows/dump/dump.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { verify } from '../../src/flows/restore/verify.js';
import { sealImages } from '../../src/flows/seal/seal.js';
import { resolvePolicy } from '../../src/oci/policy.js';
import { filesImage, regFile } from '../unit/criu/images.js';
import { varint } from '../unit/criu/wire.js';
import { flows, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const context = flows();

/** A dump of one ghost of this process, and ways to damage it. */
class Dump {
  readonly image: string;
  readonly manifestPath: string;
  readonly whole: Buffer;

  constructor(readonly images: string) {
    this.image = `${images}/ghost-file-1.img`;
    this.manifestPath = `${images}/ghostkeep-manifest.json`;
    this.whole = fs.readFileSync(this.image);
  }

  /**
   * restore refuses every damage that verify finds in an image, and leaves no file. If an image is cut off,
   * both say so.
   */
  async codes(): Promise<string[]> {
    const { damage } = await verify(context, this.images);
    const ofImage = damage.find(({ subject }) => subject.startsWith('ghost-file-'));
    if (ofImage) {
      const to = `${this.images}/../back`;
      await assert.rejects(restoreGhosts(context, { images: this.images, to }), error => {
        assert.ok(error instanceof GhostkeepError, String(error));
        assert.equal(error.code === 'IMAGE_TRUNCATED', ofImage.code === 'IMAGE_TRUNCATED', error.message);
        return true;
      });
      assert.deepEqual(fs.readdirSync(to), []);
    }
    return damage.map(({ code }) => code);
  }

  write(bytes: Buffer): void {
    fs.writeFileSync(this.image, bytes);
  }

  edit(change: (manifest: Manifest) => void): void {
    const manifest = JSON.parse(fs.readFileSync(this.manifestPath, 'utf8')) as Manifest;
    change(manifest);
    fs.writeFileSync(this.manifestPath, JSON.stringify(manifest));
  }

  /**
   * Removes what the manifest knows of the image's length, so that the structure of the image alone must show
   * the damage.
   */
  forgetData(): void {
    this.edit(({ ghosts: [ghost] }) => {
      assert.ok(ghost);
      delete ghost.data;
    });
  }
}

async function dumpOf(t: TestContext, content: Buffer, digest: boolean): Promise<Dump> {
  const folder = temporaryFolder(t);
  const fd = ghostFile(t, folder, 'ghost', content);
  const images = `${folder}/images`;
  fs.mkdirSync(images);
  const policy = resolvePolicy(digest ? { verify: 'digest' } : {});
  await dumpGhosts(context, { images, pids: [process.pid], policy, criu: false });
  sealImages(context, images, { durable: false });
  const dump = new Dump(images);
  assert.deepEqual(await dump.codes(), []);
  assert.ok(fd > 0);
  return dump;
}

/** Data, a hole of 64 KiB, data. */
const withHole = Buffer.concat([Buffer.alloc(9000, 'a'), Buffer.alloc(65536), Buffer.alloc(5000, 'b')]);
const small = Buffer.from('a small ghost, below 12 KiB');

/**
 * Makes a damaged or a valid image by hand: it takes the head of WHOLE, a dumped image, and adds chunks. The header
 * of a chunk has LENGTH and OFFSET. DATA bytes follow it, or LENGTH bytes where DATA is not given.
 */
function chunked(whole: Buffer, chunks: [length: number, offset: number, data?: number][]): Buffer {
  const head = whole.subarray(0, 12 + whole.readUInt32LE(8));
  const parts = chunks.flatMap(([length, offset, data = length]) => [
    joinImage(magic.GHOST_FILE, [Buffer.concat([varint(1, length), varint(2, offset)])]).subarray(8),
    Buffer.alloc(data, 'c'),
  ]);
  return Buffer.concat([head, ...parts]);
}

describe('verify', () => {
  before(() => assert.ok(withHole.length > 12288));

  it('when a small image is cut at any byte, verify finds the damage', async t => {
    const dump = await dumpOf(t, small, false);
    for (let length = 0; length < dump.whole.length; length += 1) {
      dump.write(dump.whole.subarray(0, length));
      assert.deepEqual(await dump.codes(), ['IMAGE_TRUNCATED'], `cut to ${length}`);
    }
    dump.write(Buffer.concat([dump.whole, Buffer.alloc(1)]));
    assert.deepEqual(await dump.codes(), ['IMAGE_MISMATCH'], 'one byte too long');
  });

  it('when an image with chunks is cut, verify finds the damage, with and without its length in the manifest', async t => {
    const dump = await dumpOf(t, withHole, false);
    const cuts = [
      ...Array(200).keys(),
      ...Array.from({ length: 100 }, (_, n) => dump.whole.length - 1 - n * 139),
    ];
    for (const knowsLength of [true, false]) {
      if (!knowsLength) dump.forgetData();
      for (const length of cuts.filter(cut => cut >= 0)) {
        // An image that is cut between two chunks is a valid image of a sparser file: only the length in the
        // manifest shows the damage.
        if (!knowsLength && length === 12 + dump.whole.readUInt32LE(8)) continue;
        dump.write(dump.whole.subarray(0, length));
        const codes = await dump.codes();
        assert.equal(codes.length, 1, `cut to ${length} of ${dump.whole.length}`);
        assert.equal(codes[0], knowsLength ? 'IMAGE_TRUNCATED' : 'IMAGE_INVALID', `cut to ${length}`);
      }
    }
  });

  it('when any single bit of an image with a digest is flipped, verify finds the damage', async t => {
    for (const content of [
      small,
      Buffer.concat([Buffer.alloc(4096), Buffer.from('x'), Buffer.alloc(8191)]),
    ]) {
      const dump = await dumpOf(t, content, true);
      const bits = dump.whole.length * 8;
      // Flips all bits of a small image; of the larger image, all bits of the heads and every 61st bit after
      // them.
      for (let bit = 0; bit < bits; bit += bit < 2048 ? 1 : 61) {
        const flipped = Buffer.from(dump.whole);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        dump.write(flipped);
        const codes = await dump.codes();
        assert.equal(codes.length, 1, `bit ${bit} of ${bits}`);
        assert.match(codes[0] ?? '', /^IMAGE_(INVALID|MISMATCH)$/);
      }
    }
  });

  it('when any bit of the head is flipped, verify finds the damage without a digest too', async t => {
    const dump = await dumpOf(t, small, false);
    const headBits = (12 + dump.whole.readUInt32LE(8)) * 8;
    for (let bit = 0; bit < headBits; bit += 1) {
      const flipped = Buffer.from(dump.whole);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      dump.write(flipped);
      assert.equal((await dump.codes()).length, 1, `bit ${bit & 7} of byte ${bit >> 3}`);
    }
  });

  it('when chunks overlap, pass the size, stand in the wrong order or lack data, verify finds the damage', async t => {
    const dump = await dumpOf(t, withHole, false);
    dump.forgetData();
    const size = withHole.length;
    dump.write(
      chunked(dump.whole, [
        [4096, 0],
        [4096, 8192],
      ]),
    );
    assert.deepEqual(await dump.codes(), [], 'well made by hand');
    const damages: [string, [number, number, number?][]][] = [
      ['past the size', [[4096, size - 4095]]],
      ['begins at the size', [[1, size]]],
      ['far behind', [[1, 2 ** 52]]],
      ['length wraps around', [[2 ** 52, 2 ** 52, 16]]],
      [
        'overlap',
        [
          [4096, 0],
          [4096, 4095],
        ],
      ],
      [
        'the same twice',
        [
          [4096, 0],
          [4096, 0],
        ],
      ],
      [
        'wrong order: offsets may go back once, and go back twice',
        [
          [4096, 16384],
          [4096, 8192],
          [4096, 0],
        ],
      ],
      ['data missing', [[4096, 0, 4095]]],
      ['data left over', [[4096, 0, 4097]]],
    ];
    for (const [what, chunks] of damages) {
      dump.write(chunked(dump.whole, chunks));
      assert.deepEqual(await dump.codes(), ['IMAGE_INVALID'], what);
    }
  });

  it('when a magic number is wrong, verify finds the damage', async t => {
    const dump = await dumpOf(t, small, false);
    for (const at of [0, 4]) {
      const wrong = Buffer.from(dump.whole);
      wrong.writeUInt32LE(0x12345678, at);
      dump.write(wrong);
      assert.deepEqual(await dump.codes(), ['IMAGE_INVALID']);
    }
  });

  it('when an image is missing, a link or a folder, verify finds the damage', async t => {
    const dump = await dumpOf(t, small, false);
    fs.renameSync(dump.image, `${dump.image}.old`);
    assert.deepEqual(await dump.codes(), ['IMAGE_MISSING']);
    fs.symlinkSync(`${dump.image}.old`, dump.image);
    assert.deepEqual(await dump.codes(), ['IMAGE_INVALID'], 'a symbolic link is not followed');
    fs.unlinkSync(dump.image);
    fs.mkdirSync(dump.image);
    assert.deepEqual(await dump.codes(), ['IMAGE_INVALID']);
  });

  it('when the manifest is cut, edited or missing, verify finds the damage', async t => {
    const dump = await dumpOf(t, small, false);
    const text = fs.readFileSync(dump.manifestPath);
    for (let length = 0; length < text.length - 2; length += 7) {
      fs.writeFileSync(dump.manifestPath, text.subarray(0, length));
      assert.deepEqual(await dump.codes(), ['MANIFEST_INVALID'], `cut to ${length}`);
    }
    const edits: [string, (ghost: Manifest['ghosts'][number]) => void][] = [
      ['size', ghost => (ghost.size = 26)],
      ['mode', ghost => (ghost.mode ^= 1)],
      ['uid', ghost => (ghost.uid += 1)],
      ['ino', ghost => (ghost.ino = Number(ghost.ino) + 1)],
      ['mtime', ghost => (ghost.mtime = '1.000000000')],
      ['device', ghost => (ghost.physicalDev = '9:9')],
      ['bytes', ghost => (ghost.data = { ...(ghost.data as NonNullable<typeof ghost.data>), bytes: 1 })],
      ['image', ghost => (ghost.image = 'ghost-file-2.img')],
    ];
    for (const [what, change] of edits) {
      fs.writeFileSync(dump.manifestPath, text);
      dump.edit(({ ghosts: [ghost] }) => change(ghost as Manifest['ghosts'][number]));
      assert.equal((await dump.codes()).length, 1, what);
    }
    fs.rmSync(dump.manifestPath);
    assert.deepEqual(await dump.codes(), ['MANIFEST_MISSING']);
  });

  it('when files.img still lists a ghost as an external file, verify finds the damage', async t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'ghost', small);
    const images = `${folder}/images`;
    fs.mkdirSync(images);
    const { journal } = await dumpGhosts(context, {
      images,
      pids: [process.pid],
      policy: resolvePolicy(),
      criu: true,
    });
    const external = filesImage(regFile({ id: 1, name: journal.ghosts[0]?.key[0] ?? '', ext: true }));
    fs.writeFileSync(`${images}/files.img`, external);
    fs.writeFileSync(`${images}/inventory.img`, 'inventory');
    sealImages(context, images, { durable: false });
    const dump = new Dump(images);
    assert.deepEqual(await dump.codes(), []);
    fs.writeFileSync(`${images}/files.img`, external);
    assert.deepEqual(await dump.codes(), ['IMAGE_MISMATCH']);
    const { status, stdout } = ghostkeep(['verify', '-D', images]);
    assert.equal(status, 1);
    assert.match(stdout, /files\.img still has file\[.*\[IMAGE_MISMATCH\]/);
  });

  it('verify checks an image of 5 GiB in less than 64 MiB of memory', async t => {
    const dump = await dumpOf(t, withHole, false);
    const length = 5 * 2 ** 30;
    const head = joinImage(magic.GHOST_FILE, [
      Buffer.concat([dump.whole.subarray(12, 12 + dump.whole.readUInt32LE(8)), varint(10, length)]),
    ]);
    const image = Buffer.concat([
      head,
      chunked(dump.whole, [[length, 0, 0]]).subarray(12 + dump.whole.readUInt32LE(8)),
    ]);
    dump.write(image);
    fs.truncateSync(dump.image, image.length + length);
    dump.edit(({ ghosts: [ghost] }) => {
      assert.ok(ghost);
      delete ghost.data;
      ghost.size = length;
    });
    const before = process.memoryUsage().rss;
    assert.deepEqual(await dump.codes(), []);
    assert.ok(process.memoryUsage().rss - before < 64 << 20);
  });
});

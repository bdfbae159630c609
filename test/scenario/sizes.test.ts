/** No command takes more than 512 MiB of memory, whatever an image directory holds. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { bounds } from '../../src/base/bounds.js';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { joinImage, magic } from '../../src/criu/frame.js';
import { journalName, manifestName } from '../../src/image/layout.js';
import { property, regFile, remap } from '../unit/criu/images.js';
import { message } from '../unit/criu/wire.js';
import { ghostFile, ghostkeep, program, temporaryFolder } from './ghostkeep.js';

const mostKiB = 512 * 1024;

let first: string | undefined;

/** A sealed dump of one file: each test has a copy of the first. */
function aDump(t: TestContext) {
  const folder = temporaryFolder(t);
  const images = `${folder}/images`;
  if (first === undefined) {
    ghostFile(t, folder, 'x', Buffer.alloc(20_000, 1));
    first = fs.mkdtempSync(path.join(tmpdir(), 'gk-'));
    const dump = ghostkeep(['dump', '--pid', String(process.pid), '-D', `${first}/images`]);
    assert.equal(dump.status, 0, dump.stderr);
  }
  fs.cpSync(`${first}/images`, images, { recursive: true });
  return { folder, images };
}

after(() => first && fs.rmSync(first, { recursive: true }));

/** Changes the manifest. As a journal it describes a dump that CRIU has finished and that is not sealed. */
function rewrite(images: string, change: (manifest: Manifest) => Manifest, name = manifestName): void {
  const manifest = JSON.parse(fs.readFileSync(`${images}/${manifestName}`, 'utf8')) as Manifest;
  fs.rmSync(`${images}/${manifestName}`);
  fs.mkdirSync(path.dirname(`${images}/${name}`), { recursive: true });
  fs.writeFileSync(`${images}/${name}`, JSON.stringify(change(manifest)));
}

/** Runs a command and measures its memory. A command that a signal ends gives no figure. */
function measured(t: TestContext, args: readonly string[]) {
  const folder = temporaryFolder(t);
  fs.writeFileSync(
    `${folder}/measure.cjs`,
    `process.on('exit', () => {
       const status = require('node:fs').readFileSync('/proc/self/status', 'latin1');
       require('node:fs').writeFileSync(${JSON.stringify(`${folder}/kib`)}, /VmHWM:\\s*(\\d+)/.exec(status)[1]);
     });`,
  );
  const options = `${process.env['NODE_OPTIONS'] ?? ''} --require=${folder}/measure.cjs`;
  // Only Node.js can preload a module.
  const run = ghostkeep(args, {
    at: program,
    env: { ...process.env, NODE_OPTIONS: options } as Record<string, string>,
  });
  assert.ok(fs.existsSync(`${folder}/kib`), `${args.join(' ')} ended without a word: ${run.stderr}`);
  const kib = Number(fs.readFileSync(`${folder}/kib`, 'latin1'));
  assert.ok(kib < mostKiB, `${args.join(' ')} took ${kib} KiB`);
  return run;
}

const sparse = (file: string) => {
  fs.writeFileSync(file, '');
  fs.truncateSync(file, 3e9);
};

/** The commands that read each document. */
const readers: [string, string[][]][] = [
  [
    'ghostkeep-manifest.json',
    [['verify'], ['show'], ['show', '--extents'], ['restore'], ['materialize'], ['seal']],
  ],
  ['ghostkeep/journal.json', [['seal']]],
  ['ghostkeep/first-id', [['seal']]],
  ['files.img', [['verify'], ['seal']]],
  ['remap-fpath.img', [['verify'], ['seal']]],
  ['inventory.img', [['verify'], ['seal'], ['materialize']]],
  ['cgroup.img', [['seal']]],
];

describe('a sparse file of 3 GB', () => {
  for (const [name, commands] of readers)
    for (const [command = '', ...more] of commands)
      it(`when a sparse file of 3 GB is ${name}, ${[command, ...more].join(' ')} names it, its size and how much is read`, t => {
        const { folder, images } = aDump(t);
        fs.writeFileSync(`${images}/files.img`, joinImage(magic.FILES, []));
        fs.writeFileSync(`${images}/inventory.img`, 'inventory');
        const asCriu = (manifest: Manifest): Manifest => ({
          ...manifest,
          criu: true,
          state: command === 'seal' ? 'dumped' : 'sealed',
          thaw: command === 'seal',
          inventory: 'aW52ZW50b3J5',
        });
        rewrite(images, asCriu, command === 'seal' ? journalName : manifestName);
        if (command === 'seal' && name === manifestName) fs.rmSync(`${images}/${journalName}`);
        sparse(`${images}/${name}`);
        const to = command === 'restore' ? ['--to', `${folder}/back`] : [];
        const { status, stdout, stderr } = measured(t, [command, ...more, '-D', images, ...to]);
        assert.equal(status, 1);
        const bound = `${name}: it has 3000000000 bytes, and at most \\d+ are read`;
        assert.match(stdout + stderr, new RegExp(`${bound}.*\\[(MANIFEST|CRIU_IMAGE)_INVALID\\]`));
      });
});

describe('a document within its size bound that has as many values as possible', () => {
  const many = (count: number, value: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => value(index)).join(',');

  it('when a document has more values than ghostkeep reads, they are counted before they become objects', t => {
    const { images } = aDump(t);
    rewrite(images, manifest => ({ ...manifest, ghosts: [] }));
    const text = fs.readFileSync(`${images}/${manifestName}`, 'utf8');
    const filled = text.replace('"ghosts":[]', `"ghosts":[${many(5_000_000, () => '{}')}]`);
    fs.writeFileSync(`${images}/${manifestName}`, filled);
    assert.match(measured(t, ['show', '-D', images]).stderr, /has \d+ values, and at most.*MANIFEST_INVALID/);
  });

  it('when a million entries of a document are wrong, the message names the first ones', t => {
    const { images } = aDump(t);
    rewrite(images, manifest => ({ ...manifest, ghosts: [] }));
    const text = fs.readFileSync(`${images}/${manifestName}`, 'utf8');
    const filled = text.replace('"ghosts":[]', `"ghosts":[${many(1_000_000, () => '{}')}]`);
    fs.writeFileSync(`${images}/${manifestName}`, filled);
    assert.match(measured(t, ['show', '-D', images]).stderr, /ghosts\.0\.class is missing.*MANIFEST_INVALID/);
  });

  it('when an object has more different keys than ghostkeep reads, they are counted before they become objects', t => {
    const { images } = aDump(t);
    const xattrs = many(2_000_000, index => `"${index.toString(36)}":""`);
    const text = fs.readFileSync(`${images}/${manifestName}`, 'utf8');
    fs.writeFileSync(
      `${images}/${manifestName}`,
      text.replace(/"xattrs": \{[^}]*\}/, `"xattrs":{${xattrs}}`),
    );
    const { stderr } = measured(t, ['show', '--json', '-D', images]);
    assert.match(stderr, /has more than 100000 different keys \[MANIFEST_INVALID\]/);
  });

  it('when one cell would have a million words, the manifest is refused, and no table of that width is made', t => {
    const { images } = aDump(t);
    const ways = Array.from({ length: 1_000_000 }, () => 'reflink' as const);
    rewrite(images, manifest => ({
      ...manifest,
      ghosts: manifest.ghosts.map(ghost => ({
        ...ghost,
        data: ghost.data && { ...ghost.data, ways },
      })) as never,
    }));
    assert.match(measured(t, ['show', '-D', images]).stderr, /MANIFEST_INVALID/);
  });

  it('when a path consists of characters that must be escaped, show prints the beginning of the path', t => {
    const { images } = aDump(t);
    const path = `/${'\u202e'.repeat(13_000_000)}`;
    rewrite(images, manifest => ({
      ...manifest,
      ghosts: manifest.ghosts.map(ghost => ({ ...ghost, path })),
    }));
    const { status, stdout } = measured(t, ['show', '-D', images]);
    assert.equal(status, 0);
    assert.match(stdout, /(\\xe2\\x80\\xae){60000}…\n/);
  });

  it('when CRIU’s files consist of entries of no bytes, verify reports damage', t => {
    const { images } = aDump(t);
    rewrite(images, manifest => ({ ...manifest, criu: true }));
    for (const [name, kind] of [
      ['remap-fpath.img', magic.REMAP_FPATH],
      ['files.img', magic.FILES],
    ] as const) {
      fs.rmSync(`${images}/remap-fpath.img`, { force: true });
      fs.writeFileSync(`${images}/${name}`, Buffer.concat([joinImage(kind, []), Buffer.alloc(8_000_000)]));
      const { stdout } = measured(t, ['verify', '-D', images]);
      assert.match(stdout, new RegExp(`${name}: it has more than \\d+ entries.*CRIU_IMAGE_INVALID`));
    }
  });
});

/** Writes COUNT chunks of LENGTH bytes each, behind the head of the dump's own image. */
function chunksImage(image: string, count: number, length: number): Buffer {
  const head = fs.readFileSync(image).subarray(0, -20_000);
  const headBytes = 12 + head.readUInt32LE(8);
  const size = 14 + length;
  const body = Buffer.alloc(count * size);
  for (let index = 0; index < count; index += 1) {
    const at = index * size;
    body.writeUInt32LE(10, at);
    body.set([0x08, length, 0x10], at + 4);
    // The offset, as a varint of seven bytes.
    let offset = index * length;
    for (let byte = 0; byte < 7; byte += 1, offset = Math.floor(offset / 128))
      body[at + 7 + byte] = (offset % 128) | (byte < 6 ? 0x80 : 0);
  }
  return Buffer.concat([head.subarray(0, headBytes), body]);
}

describe('a ghost image of many chunks', () => {
  it('when a ghost image has very many empty chunks, it counts as damaged', t => {
    const { images } = aDump(t);
    const image = `${images}/ghost-file-1.img`;
    fs.writeFileSync(image, chunksImage(image, 4_000_000, 0));
    const shown = measured(t, ['show', '--extents', '--json', '-D', images]);
    assert.match(shown.stderr, /a chunk without data at offset/);
    assert.equal(measured(t, ['verify', '-D', images]).status, 1);
  });

  it('when a ghost image has very many chunks of a byte, show lists them while it reads them, and the list is JSON', t => {
    const { images } = aDump(t);
    const image = `${images}/ghost-file-1.img`;
    const chunks = chunksImage(image, 20_000, 1);
    fs.writeFileSync(image, chunks);
    const { status, stdout } = measured(t, ['show', '--extents', '--json', '-D', images]);
    assert.equal(status, 0);
    const { ghosts } = JSON.parse(stdout) as Manifest;
    assert.equal(ghosts[0]?.extents?.length, 20_000);
    assert.deepEqual(ghosts[0]?.extents?.at(-1), { offset: 19_999, length: 1 });
  });
});

/** A dump that CRIU has finished and that is not sealed, with GHOSTS in its journal. */
function unsealed(t: TestContext, ghosts = 1) {
  const { images } = aDump(t);
  fs.writeFileSync(`${images}/files.img`, joinImage(magic.FILES, []));
  fs.writeFileSync(`${images}/inventory.img`, 'inventory');
  const asCriu = (manifest: Manifest): Manifest => ({
    ...manifest,
    criu: true,
    state: 'dumped',
    thaw: true,
    inventory: 'aW52ZW50b3J5',
    ghosts: Array.from({ length: ghosts }, (_, index) => ({
      ...(manifest.ghosts[0] as Manifest['ghosts'][number]),
      id: index + 1,
    })),
  });
  rewrite(images, asCriu, journalName);
  return images;
}

describe('a cgroup.img of the largest size that is read', () => {
  const fill = (part: Buffer) => Buffer.alloc(bounds.cgroup.bytes - 100, part);
  const frozen = property('cgroup.freeze', '1');
  for (const [what, content] of [
    ['empty controllers', () => fill(message(2))],
    ['empty cgroups', () => message(2, fill(message(2)))],
    ['frozen cgroups', () => message(2, message(2, fill(frozen).subarray(0, 3_000_000 * frozen.length)))],
  ] as const)
    it(`when a cgroup.img of the largest size has nothing but ${what}, sealing succeeds`, t => {
      const images = unsealed(t);
      fs.writeFileSync(`${images}/cgroup.img`, joinImage(magic.CGROUP, [content()]));
      const { status, stderr } = measured(t, ['seal', '-D', images]);
      assert.equal(status, 0, stderr);
    });
});

describe('files.img and remap-fpath.img of many small entries', () => {
  const many = (count: number, entry: (index: number) => Buffer) =>
    Array.from({ length: count }, (_, index) => entry(index + 1));
  const sealOf = (t: TestContext, files: number, remaps: number) => {
    const images = unsealed(t);
    const file = (id: number) => regFile({ id, name: `/d${id}` });
    fs.writeFileSync(`${images}/files.img`, joinImage(magic.FILES, many(files, file)));
    const remapped = many(remaps, id => remap(id, id, 1));
    fs.writeFileSync(`${images}/remap-fpath.img`, joinImage(magic.REMAP_FPATH, remapped));
    return measured(t, ['seal', '-D', images]);
  };

  it('when CRIU itself has dumped as many ghosts as ghostkeep reads, the seal lists none of them and succeeds', t => {
    const { status, stderr } = sealOf(t, 200_000, 200_000);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /no room for 199999 ghosts that CRIU dumped itself/);
  });

  it('when CRIU itself has dumped more ghosts than ghostkeep reads, the seal only counts them, and refuses the image', t => {
    const { stderr } = sealOf(t, 1, 600_000);
    assert.match(stderr, /remap-fpath.img: it has more than 200000 entries \[CRIU_IMAGE_INVALID\]/);
  });
});

describe('the most ghosts that a manifest can have', () => {
  for (const args of [['show'], ['show', '--json']])
    it(`with the most ghosts that a manifest can have, ${args.join(' ')} stays below the bound on memory`, t => {
      const { images } = aDump(t);
      rewrite(images, manifest => ({
        ...manifest,
        ghosts: Array.from({ length: 40_000 }, (_, index) => ({
          ...(manifest.ghosts[0] as Manifest['ghosts'][number]),
          id: index + 1,
        })),
      }));
      assert.equal(measured(t, [...args, '-D', images]).status, 0);
    });
});

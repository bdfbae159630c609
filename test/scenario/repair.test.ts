/** `verify --repair`: a lost manifest is made again from the images of a sealed checkpoint. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import type { Verification } from '../../src/base/documents/generated/verification.js';
import { endOfCriu, Gate } from './gate.js';
import { filesIn, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const manifestIn = (images: string) => `${images}/ghostkeep-manifest.json`;
const sparse = Buffer.concat([Buffer.alloc(70_000, 1), Buffer.alloc(900_000), Buffer.from('the end')]);
const contents = [Buffer.from('small'), sparse, Buffer.alloc(0)];

/** A dump under the gate; sealed unless ENDS says otherwise. */
async function dumped(t: TestContext, { seals = true, linked = false } = {}): Promise<string> {
  const folder = temporaryFolder(t, linked ? '/dev/shm' : undefined);
  for (const [index, content] of contents.entries()) ghostFile(t, folder, `ghost ${index}`, content);
  if (linked) {
    fs.writeFileSync(`${folder}/other`, 'linked');
    fs.linkSync(`${folder}/other`, `${folder}/opened`);
    const fd = fs.openSync(`${folder}/opened`, 'r');
    t.after(() => fs.closeSync(fd));
    fs.unlinkSync(`${folder}/opened`);
  }
  const images = `${folder}/images`;
  fs.mkdirSync(images);
  const gate = new Gate(t, 'dump', images);
  await gate.answer();
  const keys = (await gate.ask(`checkpoint ${process.pid}`)).filter(line => line.startsWith('external '));
  assert.equal(keys.length, contents.length + (linked ? 1 : 0));
  endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
  if (seals) assert.deepEqual(await gate.ask('finish 0'), ['done']);
  if (seals) await gate.end();
  else await gate.kill();
  return images;
}

const repair = (images: string) => ghostkeep(['verify', images, '--repair', '--json']);

function assertRefused(images: string, code: string, why: RegExp): void {
  const before = snapshot(images);
  const { status, stdout, stderr } = ghostkeep(['verify', images, '--repair']);
  assert.equal(status, 1, stdout);
  assert.match(stderr, new RegExp(`${code}`));
  assert.match(stderr, why);
  assert.deepEqual(snapshot(images), before);
}

const snapshot = (images: string) =>
  new Map(filesIn(images).map(name => [name, fs.readFileSync(`${images}/${name}`, 'base64')]));

/** Each file's content, whatever its name. */
function restored(t: TestContext, images: string): string[] {
  const to = `${temporaryFolder(t)}/back`;
  const { status, stderr } = ghostkeep(['restore', images, '--to', to]);
  assert.equal(status, 0, stderr);
  return fs.readdirSync(to).map(name => fs.readFileSync(`${to}/${name}`, 'base64'));
}

const assertAllBack = (t: TestContext, images: string) =>
  assert.deepEqual(restored(t, images).sort(), contents.map(each => each.toString('base64')).sort());

describe('verify --repair', () => {
  it('verify --repair makes a lost manifest again, with which the files come back and damage is found', async t => {
    const images = await dumped(t);
    const was = JSON.parse(fs.readFileSync(manifestIn(images), 'utf8')) as Manifest;
    const others = () => filesIn(images).filter(name => name !== 'ghostkeep-manifest.json');
    const before = others();
    fs.rmSync(manifestIn(images));
    const { status, stdout, stderr } = repair(images);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /extended attributes, inode flags, nanoseconds of times, holders/);
    const { damage, checked, repaired } = JSON.parse(stdout) as Verification;
    assert.deepEqual([damage, checked, repaired?.keptAs], [[], 'digest', undefined]);
    const is = JSON.parse(fs.readFileSync(manifestIn(images), 'utf8')) as Manifest;
    const known = ({ ghosts, inventory }: Manifest) => [
      inventory,
      ghosts.map(({ id, image, path, size, mode, uid, gid, ino }) => ({
        id,
        image,
        path,
        size,
        mode,
        uid,
        gid,
        ino,
      })),
      ghosts.map(({ data }) => [data?.bytes, data?.chunks, data?.imageBytes]),
    ];
    assert.deepEqual(known(is), known(was));
    assert.deepEqual(others(), before);
    assertAllBack(t, images);
    const gate = new Gate(t, 'restore', images);
    await gate.answer();
    assert.deepEqual(await gate.ask('restore'), ['done']);
    await gate.end();
    // A byte of content is changed, which only a checksum finds.
    const image = `${images}/${is.ghosts.find(({ size }) => Number(size) > 900_000)?.image}`;
    const bytes = fs.readFileSync(image);
    bytes.writeUInt8(2, 5000);
    fs.writeFileSync(image, bytes);
    assert.match(ghostkeep(['verify', images]).stdout, /IMAGE_MISMATCH/);
  });

  it('verify --repair keeps a damaged manifest under another name, and leaves a whole manifest as it is', async t => {
    const images = await dumped(t);
    const whole = snapshot(images);
    const { stdout } = repair(images);
    assert.equal((JSON.parse(stdout) as Verification).repaired, undefined);
    assert.deepEqual(snapshot(images), whole);
    for (const [text, keptAs] of [
      ['{ "format": ', 'ghostkeep-manifest.json.damaged'],
      ['', 'ghostkeep-manifest.json.damaged-2'],
    ] as const) {
      fs.writeFileSync(manifestIn(images), text);
      const { status, stdout, stderr } = repair(images);
      assert.equal(status, 0, stderr);
      assert.equal((JSON.parse(stdout) as Verification).repaired?.keptAs, keptAs);
      assert.equal(fs.readFileSync(`${images}/${keptAs}`, 'utf8'), text);
    }
    assertAllBack(t, images);
  });

  it('verify --repair refuses a dump that was not sealed, whose journal still knows everything', async t => {
    const images = await dumped(t, { seals: false });
    assertRefused(images, 'REPAIR_REFUSED', /was not sealed.*ghostkeep seal/);
    fs.rmSync(`${images}/ghostkeep/journal.json`);
    assertRefused(images, 'REPAIR_REFUSED', /was not sealed/);
    fs.rmSync(`${images}/ghostkeep`, { recursive: true });
    assertRefused(images, 'REPAIR_REFUSED', /files\.img still has file\[/);
  });

  it('verify --repair refuses where a file has several names, which only the manifest knew', async t => {
    const linked = await dumped(t, { linked: true });
    fs.rmSync(manifestIn(linked));
    assertRefused(linked, 'REPAIR_REFUSED', /ghostkeep-linked-[0-9a-f]+\.img is a file of several names/);
  });

  it('verify --repair refuses where only the manifest knew a parent, a child or all names', async t => {
    const images = await dumped(t);
    fs.rmSync(manifestIn(images));
    fs.writeFileSync(`${images}/ghostkeep-layer-1.map`, '');
    assertRefused(images, 'REPAIR_REFUSED', /it is packed/);
    fs.renameSync(`${images}/ghostkeep-layer-1.map`, `${images}/ghostkeep-children.json`);
    assertRefused(images, 'REPAIR_REFUSED', /packed directories need it/);
    fs.rmSync(`${images}/ghostkeep-children.json`);
    fs.rmSync(`${images}/inventory.img`);
    assertRefused(images, 'REPAIR_REFUSED', /there is no inventory\.img/);
  });

  it('verify --repair refuses damaged and missing images, and writes nothing', async t => {
    const images = await dumped(t);
    fs.rmSync(manifestIn(images));
    const largest = filesIn(images)
      .filter(name => name.startsWith('ghost-file-'))
      .sort((a, b) => fs.statSync(`${images}/${b}`).size - fs.statSync(`${images}/${a}`).size)[0];
    const whole = fs.readFileSync(`${images}/${largest}`);
    fs.writeFileSync(`${images}/${largest}`, whole.subarray(0, 40_000));
    assertRefused(images, 'IMAGE_(INVALID|TRUNCATED)', /nothing was changed/);
    fs.rmSync(`${images}/${largest}`);
    assertRefused(images, 'IMAGE_MISSING', /is missing/);
  });
});

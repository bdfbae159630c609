/** `forget` by the built program: what goes, what stays, and what is refused. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Forgotten } from '../../src/base/documents/generated/forgotten.js';
import { Progress } from '../../src/base/progress.js';
import { joinImage, magic } from '../../src/criu/frame.js';
import { forget as forgetFlow } from '../../src/flows/forget/forget.js';
import { pack } from '../../src/flows/history/pack.js';
import { Gate } from './gate.js';
import { filesIn, flows, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { assertHolds } from './history-of-ghosts.js';
import { onLoopDevice } from './loop-device.js';
import { history, memory, type Night } from './nights.js';

const MiB = 1 << 20;

const forget = (images: string, ...more: string[]) => ghostkeep(['forget', '-D', images, ...more]);

function forgotten(images: string, ...more: string[]): Forgotten {
  const { status, stdout, stderr } = forget(images, '--json', ...more);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Forgotten;
}

async function assertAll(t: TestContext, nights: readonly Night[]): Promise<void> {
  for (const { images, contents } of nights) {
    const { status, stdout } = ghostkeep(['verify', '-D', images, '--chain']);
    assert.equal(status, 0, stdout);
    await assertHolds(t, images, contents, memory);
  }
}

/** Everything in some folders, to see that nothing was written. */
const stateOf = (folders: readonly string[]) =>
  folders.flatMap(folder =>
    filesIn(folder).map(name => {
      const { ino, size, mtimeMs } = fs.statSync(`${folder}/${name}`);
      return `${folder}/${name} ${ino} ${size} ${mtimeMs}`;
    }),
  );

describe('forget', () => {
  for (const [which, index] of [
    ['oldest', 0],
    ['second', 1],
    ['third', 2],
    ['newest', 3],
  ] as const)
    it(`forget removes the ${which} of four checkpoints, and the other three are restored as before`, async t => {
      const nights = await history(t, 4);
      const [{ images }] = nights.splice(index, 1) as [Night];
      const { children, left, directoryRemoved } = forgotten(images);
      assert.deepEqual([left, directoryRemoved, fs.existsSync(images)], [[], true, false]);
      assert.deepEqual(
        children.map(({ images: child, parent, joined, whole }) => ({ child, parent, joined, whole })),
        index === 3
          ? []
          : [
              index === 0
                ? { child: nights[0]?.images, parent: undefined, joined: 0, whole: 2 }
                : { child: nights[index]?.images, parent: nights[index - 1]?.images, joined: 2, whole: 0 },
            ],
      );
      await assertAll(t, nights);
      const last = nights.at(-1)?.images as string;
      for (const { images: each } of nights.slice(0, -1))
        assert.equal(forget(each).status, 0, 'the others can go, too');
      assert.deepEqual(filesIn(last), ['ghost-file-1.img', 'ghost-file-2.img', 'ghostkeep-manifest.json']);
      await assertAll(t, nights.slice(-1));
    });

  it('while a child takes over what it needs, forget tells how far it has come', async t => {
    const [first] = (await history(t, 3)) as [Night, Night, Night];
    const progress = new Progress(() => 0);
    await forgetFlow({ ...flows(), progress }, { images: first.images });
    const { what, items, itemsDone, bytes = 0n, bytesDone } = progress.look() ?? {};
    assert.deepEqual([what, items, itemsDone], ['putting together', 2, 2]);
    assert.ok(
      bytes > 1n << 20n && bytesDone !== undefined && bytesDone > bytes / 2n,
      `${bytesDone} of ${bytes}`,
    );
  });

  it("forget removes the files of the checkpoint, CRIU's own too, and leaves all other files", async t => {
    const [first, second] = (await history(t, 2)) as [Night, Night];
    const ofCriu = joinImage(magic.CGROUP, [Buffer.from('x')]);
    fs.writeFileSync(`${first.images}/inventory.img`, 'another magic number');
    for (const name of ['core-812.img', 'a-later-kind-of-image.img'])
      fs.writeFileSync(`${first.images}/${name}`, ofCriu);
    for (const name of ['pages-1.img', 'tmpfs-dev-74.tar.gz.img', 'dump.log', 'descriptors.json'])
      fs.writeFileSync(`${first.images}/${name}`, 'raw');
    fs.symlinkSync('../night-1', `${first.images}/parent`);
    const mine = ['disk.img', 'notes.txt', 'pages-of-a-book.img'];
    for (const name of mine) fs.writeFileSync(`${first.images}/${name}`, 'mine');
    fs.mkdirSync(`${first.images}/core-1.img`);
    const before = stateOf([first.images, second.images]);
    const dry = ghostkeep(['forget', first.images, '--dry-run']).stdout;
    assert.match(dry, /night-1 would have 2 ghosts whole, up to 1\.2 MiB to write; then it stands alone\n/);
    assert.match(dry, /night-0 would be forgotten: 1\.2 MiB in files would be removed\n/);
    assert.deepEqual(stateOf([first.images, second.images]), before, 'nothing is done');
    const { stdout } = forget(first.images);
    assert.match(stdout, /night-1 has 2 ghosts whole, up to 1\.2 MiB written; it stands alone now\n/);
    assert.match(stdout, /core-1\.img, disk\.img, notes\.txt, pages-of-a-book\.img in it: not of this/);
    assert.deepEqual(fs.readdirSync(first.images).sort(), ['core-1.img', ...mine]);
    await assertAll(t, [second]);
  });

  it('a checkpoint of CRIU without ghosts can be forgotten, and a directory without a checkpoint cannot', t => {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/plain`);
    fs.writeFileSync(`${folder}/plain/notes.txt`, 'mine');
    assert.match(forget(`${folder}/plain`).stderr, /nothing was dumped here.*MANIFEST_MISSING/);
    assert.match(forget(`${folder}/not-there`).stderr, /no such directory.*MANIFEST_MISSING/);
    fs.writeFileSync(`${folder}/a-file`, '');
    assert.match(forget(`${folder}/a-file`).stderr, /a-file: it is not a directory \[MANIFEST_MISSING\]/);
    for (const name of ['inventory.img', 'pstree.img'])
      fs.writeFileSync(`${folder}/plain/${name}`, joinImage(magic.CGROUP, [Buffer.from('x')]));
    assert.deepEqual(forgotten(`${folder}/plain`).left, ['notes.txt']);
    assert.deepEqual(fs.readdirSync(`${folder}/plain`), ['notes.txt']);
  });

  it('when a child is not where it was, forget fails until the user says that the child was removed', async t => {
    const [first, second] = (await history(t, 2)) as [Night, Night];
    fs.renameSync(second.images, `${second.images}-moved`);
    const refused = forget(first.images);
    assert.match(refused.stderr, /night-1 needed it, and is not there; mount it .*HAS_CHILDREN/);
    fs.renameSync(`${second.images}-moved`, second.images);
    await assertAll(t, [first, second]);
    fs.rmSync(second.images, { recursive: true });
    assert.deepEqual(forgotten(first.images, '--children-removed').children, []);
  });

  it('when a child lies on a disk that is not mounted, its entry stays in the list of children at the next pack', async t => {
    const [first, second, third] = (await history(t, 3, { parentOf: night => (night === 1 ? 0 : -1) })) as [
      Night,
      Night,
      Night,
    ];
    fs.renameSync(second.images, `${second.images}-away`);
    await pack(flows(), { images: third.images, parent: first.images });
    fs.renameSync(`${second.images}-away`, second.images);
    assert.equal(forgotten(first.images).children.length, 2);
    await assertAll(t, [second, third]);
  });

  it('when the list of children was lost, forget still gives a child what it needs', async t => {
    const [first, second] = (await history(t, 2)) as [Night, Night];
    fs.rmSync(`${first.images}/ghostkeep-children.json`);
    assert.equal(forgotten(first.images).children.length, 1);
    await assertAll(t, [second]);
  });

  it('forget needs no children for a copy of a parent, and refuses a parent that was moved alone', async t => {
    const [first, second] = (await history(t, 2)) as [Night, Night];
    fs.cpSync(first.images, `${first.images}-copy`, { recursive: true });
    assert.deepEqual(forgotten(`${first.images}-copy`).children, []);
    fs.renameSync(first.images, `${first.images}-moved`);
    assert.match(
      forget(`${first.images}-moved`).stderr,
      /night-1 needs it, and looks for it in .*night-0; move it back there/,
    );
    fs.renameSync(`${first.images}-moved`, first.images);
    await assertAll(t, [first, second]);
  });

  it('when a later checkpoint by CRIU needs memory of this one, forget refuses to remove this one', async t => {
    const [first, second] = (await history(t, 2)) as [Night, Night];
    fs.symlinkSync('../night-0', `${second.images}/parent`);
    assert.match(forget(first.images).stderr, /night-1\/parent leads to it.*HAS_CHILDREN/);
    await assertAll(t, [first, second]);
  });

  it('when a child cannot be put together, forget keeps the checkpoint and writes nothing', async t => {
    const [first, second, third] = (await history(t, 3)) as [Night, Night, Night];
    const harms: [file: string, code: RegExp][] = [
      [`${first.images}/ghost-file-1.img`, /other bytes than were packed.*IMAGE_INVALID/],
      [`${second.images}/ghostkeep-layer-1.data`, /other bytes than were packed.*IMAGE_INVALID/],
      [`${second.images}/ghostkeep-layer-1.map`, /is damaged.*IMAGE_MISMATCH/],
    ];
    for (const [file, code] of harms) {
      const whole = fs.readFileSync(file);
      fs.writeFileSync(
        file,
        Buffer.from(whole.map((byte, at) => (at > whole.length - 99 ? byte ^ 1 : byte))),
      );
      const before = stateOf([first.images, second.images, third.images]);
      assert.match(forget(first.images).stderr, code);
      assert.deepEqual(stateOf([first.images, second.images, third.images]), before, file);
      fs.writeFileSync(file, whole);
    }
    await assertAll(t, [first, second, third]);
  });

  it('when the disk has no room for what a child takes over, forget says so before anything is written', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const disk = onLoopDevice(t, 'ext4', '128M');
    const nights = await history(t, 2, { bytes: 32 * MiB, disk });
    fs.writeFileSync(`${disk}/filler`, Buffer.alloc(60 * MiB, 1));
    const before = stateOf(nights.map(({ images }) => images));
    const { stderr } = forget(nights[0]?.images as string);
    assert.match(stderr, /needs it takes 32(\.\d)? MiB over, and \d+(\.\d)? MiB are free .*NO_SPACE/);
    assert.deepEqual(stateOf(nights.map(({ images }) => images)), before);
    await assertAll(t, nights);
  });

  it('a checkpoint into a directory that others need is refused before anything is written', async t => {
    const [first, second] = (await history(t, 2)) as [Night, Night];
    const before = stateOf([first.images]);
    const refusal = /cannot write a checkpoint into .*night-0: .*night-1 needs what is in it; choose another/;
    const { status, stderr } = ghostkeep(['dump', '--pid', String(process.pid), '-D', first.images]);
    assert.equal(status, 1);
    assert.match(stderr, refusal);
    assert.match(stderr, /`ghostkeep forget -D .*night-0` first.*HAS_CHILDREN/);
    const checked = ghostkeep(['check', '--pid', String(process.pid), '-D', first.images]);
    assert.equal(checked.status, 1);
    assert.match(checked.stdout, refusal, '`ghostkeep check` says so beforehand');
    const gate = new Gate(t, 'dump', first.images);
    assert.match((await gate.answer()).join(), new RegExp(`^refuse ${refusal.source}.*HAS_CHILDREN`));
    assert.equal(await gate.end(), 1);
    assert.deepEqual(stateOf([first.images]), before);
    assert.equal(forget(second.images).status, 0);
    const again = new Gate(t, 'dump', first.images);
    assert.match((await again.answer()).join(), /^ready/, 'nothing needs it any more');
    await again.kill();
  });
});

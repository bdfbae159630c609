/** Rounds leave bases; the next dump takes them over and compares every byte with the ghost. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { Gate } from './gate.js';
import { ghostkeep, isRoot, needs } from './ghostkeep.js';
import { assertDumped, basesIn, content, gateDump, me, preDump, setUp, watchersOf } from './rounds.js';

describe('a round', () => {
  it('when a round has left a base in another directory, the gate takes the base from there', async t => {
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    const { folder, images, bases, fd } = setUp(t);
    assert.deepEqual(
      preDump(bases).ghosts.map(({ done }) => done),
      ['base'],
    );
    assert.equal(basesIn(bases).length, 1);
    fs.writeSync(fd, 'changed', 4_000_000);
    await gateDump(t, images);
    const kept = assertDumped(images, folder, fd);
    assert.ok(kept !== undefined && kept > content.length - (2 << 20), `${kept} bytes were kept`);
    assert.deepEqual(basesIn(bases), []);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when a round has left a base in the directory of the checkpoint itself, the gate takes the base there', async t => {
    const { folder, images, fd } = setUp(t);
    preDump(images);
    fs.writeSync(fd, 'changed', 4_000_000);
    await gateDump(t, images);
    assert.ok((assertDumped(images, folder, fd) ?? 0) > content.length - (2 << 20));
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when a second round follows, it writes only what differs, over the same base', t => {
    const { bases, fd } = setUp(t);
    preDump(bases);
    const [before] = basesIn(bases).map(name => fs.statSync(`${bases}/ghostkeep/${name}`).ino);
    fs.writeSync(fd, 'changed', 4_000_000);
    const { rounds } = preDump(bases);
    assert.ok((rounds[0]?.differed ?? 0) > 0 && (rounds[0]?.differed ?? 0) < 2 << 20);
    assert.deepEqual(
      basesIn(bases).map(name => fs.statSync(`${bases}/ghostkeep/${name}`).ino),
      [before],
    );
  });

  it('when a directory has only bases, show says so and names the command that lists them', t => {
    const { bases } = setUp(t);
    preDump(bases);
    const { status, stderr } = ghostkeep(['show', bases]);
    assert.equal(status, 1);
    assert.match(stderr, /no dump yet; `ghostkeep doctor -D \S+bases` lists them \[MANIFEST_MISSING\]\n$/);
    fs.writeFileSync(`${bases}/ghostkeep/pending-1.img`, '');
    assert.match(ghostkeep(['show', bases]).stderr, /was interrupted before every ghost was copied/);
  });

  it('when a dump fails after it has taken a base, it gives the base back, and the next dump has the base', async t => {
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    const { folder, images, bases, fd } = setUp(t);
    for (const place of [bases, images]) {
      preDump(place);
      await gateDump(t, images, { finish: -1 });
      assert.equal(basesIn(place).length, 1, place);
      // Nobody watched the base while the dump had it, so somebody has to watch it again.
      assert.notEqual(watchersOf(place).length, 0, place);
    }
    await gateDump(t, images);
    assert.ok((assertDumped(images, folder, fd) ?? 0) >= content.length);
  });

  it('when the container runs on until CRIU freezes it, the warm pass copies no ghost whose base is newer', async t => {
    const { folder, images, bases, fd } = setUp(t);
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    preDump(bases);
    const base = (place: string) =>
      fs.statSync(`${place}/ghostkeep/${fs.readdirSync(`${place}/ghostkeep`)[0]}`);
    const before = base(bases);
    await gateDump(t, images, {
      afterWarm: () => {
        assert.deepEqual([base(images).ino, base(images).mtimeMs], [before.ino, before.mtimeMs]);
        fs.writeSync(fd, 'changed', 4_000_000);
      },
    });
    assert.ok((assertDumped(images, folder, fd) ?? 0) > content.length - (2 << 20));
  });

  it('when a ghost was written to since its base was made, the warm pass writes over the base', async t => {
    const { folder, images, bases, fd } = setUp(t);
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    preDump(bases);
    fs.writeSync(fd, randomBytes(content.length), 0, content.length, 0);
    await gateDump(t, images, { afterWarm: () => assert.deepEqual(basesIn(bases), []) });
    assert.ok((assertDumped(images, folder, fd) ?? 0) >= content.length);
  });

  it('when CRIU fails after the warm pass has taken a base, the base goes back', async t => {
    const { images, bases } = setUp(t);
    if (!needs(t, isRoot, 'the gate finds records of bases in /run')) return;
    preDump(bases);
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    await gate.ask(`warm ${me}`);
    assert.deepEqual(basesIn(bases), []);
    await gate.ask('finish -1');
    assert.equal(await gate.end(), 0);
    assert.equal(basesIn(bases).length, 1);
    assert.ok(!fs.existsSync(`${images}/ghostkeep`));
  });

  it('when --base names the directory of a base, a dump without CRIU takes the base', t => {
    const { folder, images, bases, fd } = setUp(t);
    preDump(bases);
    fs.ftruncateSync(fd, 5_000_001);
    const dump = ghostkeep(['dump', '--pid', me, '-D', images, '--base', bases, '--allow-missing']);
    assert.equal(dump.status, 0, dump.stderr);
    assert.ok((assertDumped(images, folder, fd) ?? 0) > 4_000_000);
  });
});

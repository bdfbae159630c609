/** `pack` and `materialize` by the built program: what they keep, what they refuse, and what a kill leaves. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import type { Packed } from '../../src/base/documents/generated/packed.js';
import { pack as packHere } from '../../src/flows/history/pack.js';
import { checkBeforeRestore } from '../../src/flows/restore/check-before.js';
import { randomFrom, seed } from '../random.js';
import { command, filesIn, flows, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Night, nights, unit } from './history-of-ghosts.js';
import { onLoopDevice, usedBytes } from './loop-device.js';

const MiB = 1 << 20;
/** How often a command is killed; a longer run sets more. */
const rounds = Number(process.env['GHOSTKEEP_KILLS'] ?? 12);

const pack = (images: string, parent: string) =>
  ghostkeep(['pack', '-D', images, '--parent', parent, '--json']);

function packed(images: string, parent: string): Packed {
  const { status, stdout, stderr } = pack(images, parent);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Packed;
}

/** Everything in a folder, to see that nothing was written. */
const stateOf = (folder: string) =>
  filesIn(folder).map(name => {
    const { ino, size, mtimeMs } = fs.statSync(`${folder}/${name}`);
    return `${name} ${ino} ${size} ${mtimeMs}`;
  });

function edit(images: string, change: (manifest: Manifest) => void): void {
  const file = `${images}/ghostkeep-manifest.json`;
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
  change(manifest);
  fs.writeFileSync(file, JSON.stringify(manifest));
}

function flip(file: string, at: number): void {
  const fd = fs.openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  fs.readSync(fd, byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 1;
  fs.writeSync(fd, byte, 0, 1, at);
  fs.closeSync(fd);
}

describe('pack', () => {
  it('when one byte has changed, pack keeps 64 KiB, and no image of CRIU is left', async t => {
    const [first, second] = (await nights(t, 2, 64 * MiB)) as [Night, Night];
    const { dataBytes, mapBytes, packed: count } = packed(second.images, first.images);
    assert.deepEqual([count, dataBytes], [1, unit]);
    assert.ok(Number(mapBytes) < 64 * 1024);
    assert.deepEqual(
      filesIn(second.images).filter(name => name.endsWith('.img')),
      [],
    );
    await assertHolds(t, second.images, second.contents);
    assert.match(
      ghostkeep(['show', '-D', second.images]).stdout,
      /1 is packed: 64 KiB here, .* in \.\.\/night-0/,
    );
    assert.match(ghostkeep(['verify', '-D', second.images]).stdout, /their parents were not read/);
    assert.equal(ghostkeep(['verify', '-D', second.images, '--chain']).status, 0);
  });

  it('when the directory is packed, the gate refuses to restore it, and names the command to run', async t => {
    const [first, second] = (await nights(t, 2, MiB)) as [Night, Night];
    packed(second.images, first.images);
    await assert.rejects(
      checkBeforeRestore(flows(), second.images, () => undefined as never),
      { code: 'PACKED', message: /run `ghostkeep materialize -D .*night-1` first/ },
    );
    assert.equal(ghostkeep(['materialize', '-D', second.images]).status, 0);
    await checkBeforeRestore(flows(), second.images, () => undefined as never);
    assert.deepEqual(filesIn(second.images), ['ghost-file-1.img', 'ghostkeep-manifest.json']);
    assert.equal(fs.existsSync(`${first.images}/ghostkeep-children.json`), false, 'nothing needs the parent');
    await assertHolds(t, second.images, second.contents);
  });

  it('when the parent of pack is wrong, the error says why before a byte is written', async t => {
    const [first, second, third, other] = (await nights(t, 4, MiB)) as [Night, Night, Night, Night];
    packed(second.images, first.images);
    const map = `${second.images}/ghostkeep-layer-1.map`;
    const image = `${first.images}/ghost-file-1.img`;
    const cases: [why: string, code: RegExp, images: string, parent: string, harm: () => () => void][] = [
      ['itself', /CHAIN_WRONG/, third.images, `${third.images}/.`, () => () => {}],
      ['a descendant', /CHAIN_WRONG/, first.images, second.images, () => () => {}],
      ['not there', /MANIFEST_MISSING/, third.images, `${third.images}-x`, () => () => {}],
      ['packed already', /PACKED/, second.images, other.images, () => () => {}],
      [
        'of a damaged map',
        /IMAGE_MISMATCH/,
        third.images,
        second.images,
        () => {
          flip(map, 40);
          return () => flip(map, 40);
        },
      ],
      [
        'of damaged data',
        /IMAGE_INVALID/,
        third.images,
        second.images,
        () => {
          flip(map.replace('.map', '.data'), 5);
          return () => flip(map.replace('.map', '.data'), 5);
        },
      ],
      [
        'without its own parent',
        /CHAIN_MISSING/,
        third.images,
        second.images,
        () => {
          fs.renameSync(first.images, `${first.images}-x`);
          return () => fs.renameSync(`${first.images}-x`, first.images);
        },
      ],
      [
        'over a damaged image',
        /IMAGE_MISMATCH/,
        third.images,
        second.images,
        () => {
          flip(image, 300_000);
          return () => flip(image, 300_000);
        },
      ],
      [
        'over another checkpoint',
        /CHAIN_CHANGED/,
        third.images,
        second.images,
        () => {
          const { created } = JSON.parse(
            fs.readFileSync(`${first.images}/ghostkeep-manifest.json`, 'utf8'),
          ) as Manifest;
          edit(first.images, manifest => {
            manifest.created = '2001-01-01T00:00:00.000Z';
          });
          return () =>
            edit(first.images, manifest => {
              manifest.created = created;
            });
        },
      ],
    ];
    for (const [why, code, images, parent, harm] of cases) {
      const mend = harm();
      const before = [stateOf(images), fs.existsSync(parent) ? stateOf(parent) : []];
      const { status, stderr } = pack(images, parent);
      assert.equal(status, 1, `${why}: ${stderr}`);
      assert.match(stderr, code, why);
      assert.deepEqual([stateOf(images), fs.existsSync(parent) ? stateOf(parent) : []], before, why);
      mend();
    }
    packed(third.images, second.images);
    await assertHolds(t, third.images, third.contents);
  });

  it('when the parent has another file of the same inode number, verify --chain, restore and materialize refuse the child', async t => {
    const [first, second] = (await nights(t, 2, MiB)) as [Night, Night];
    packed(second.images, first.images);
    edit(first.images, ({ ghosts: [ghost] }) => {
      if (ghost) ghost.birth = '1.000000001';
    });
    const { status, stdout } = ghostkeep(['verify', '-D', second.images, '--chain']);
    assert.equal(status, 1);
    assert.match(stdout, /night-0 has not the same file as ghost 1 .*CHAIN_CHANGED/);
    assert.equal(ghostkeep(['restore', '-D', second.images, '--to', `${temporaryFolder(t)}/back`]).status, 1);
    assert.match(ghostkeep(['materialize', '-D', second.images]).stderr, /CHAIN_CHANGED/);
  });

  it('when a byte of an ancestor has changed, no file is restored from it', async t => {
    const chain = await nights(t, 4, 2 * MiB);
    for (const [night, { images }] of chain.entries())
      if (night > 0) packed(images, chain[night - 1]?.images as string);
    flip(`${chain[0]?.images}/ghost-file-1.img`, 1_500_000);
    const last = chain[3]?.images as string;
    assert.equal(ghostkeep(['verify', '-D', last]).status, 0, 'it has no damage itself');
    assert.match(ghostkeep(['verify', '-D', last, '--chain']).stdout, /other bytes than were packed/);
    const to = `${temporaryFolder(t)}/back`;
    assert.match(ghostkeep(['restore', '-D', last, '--to', to]).stderr, /other bytes than were packed/);
    assert.deepEqual(filesIn(to), []);
    const before = stateOf(last);
    assert.match(ghostkeep(['materialize', '-D', last]).stderr, /other bytes than were packed/);
    assert.deepEqual(stateOf(last), before);
  });

  it('when a checkpoint has 32 parents, its files come back as they were; one more parent is refused', async t => {
    const chain = await nights(t, 34, 3 * MiB);
    for (const [night, { images }] of chain.entries())
      if (night > 0 && night < 33)
        await packHere(flows(), { images, parent: chain[night - 1]?.images as string });
    const last = chain[32] as Night;
    await assertHolds(t, last.images, last.contents);
    assert.match(pack(chain[33]?.images as string, last.images).stderr, /more than 32 parents.*CHAIN_WRONG/);
    const refused = ghostkeep(['materialize', '-D', chain[7]?.images as string]).stderr;
    assert.match(refused, /night-8 needs what is in it.*HAS_CHILDREN/);
    assert.equal(ghostkeep(['materialize', '-D', last.images]).status, 0);
    await assertHolds(t, last.images, last.contents);
  });

  it('when the file system shares blocks, materialize --to makes a copy that takes little room', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const disk = onLoopDevice(t, 'xfs');
    const [first, second] = (await nights(t, 2, 64 * MiB, disk)) as [Night, Night];
    packed(second.images, first.images);
    const before = usedBytes(disk);
    const to = `${disk}/copy`;
    assert.equal(ghostkeep(['materialize', '-D', second.images, '--to', to]).status, 0);
    const used = usedBytes(disk) - before;
    assert.ok(used < 4 * MiB, `${used} bytes more`);
    await assertHolds(t, to, second.contents);
  });

  it('when there is no room, materialize says how much it needs, and changes nothing', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const disk = onLoopDevice(t, 'ext4', '128M');
    const [first, second] = (await nights(t, 2, 32 * MiB, disk)) as [Night, Night];
    packed(second.images, first.images);
    fs.writeFileSync(`${disk}/filler`, Buffer.alloc(60 * MiB, 1));
    const before = stateOf(second.images);
    assert.match(ghostkeep(['materialize', '-D', second.images]).stderr, /32(\.\d)? MiB needed .*NO_SPACE/);
    assert.deepEqual(stateOf(second.images), before);
  });

  it(`when pack or materialize is killed at any time, the checkpoint is whole or packed, and goes on (GHOSTKEEP_SEED=${seed})`, async t => {
    const [first, second] = (await nights(t, 2, 8 * MiB)) as [Night, Night];
    const random = randomFrom(seed);
    // A kill may come at any time of a run, so we measure how long one takes on this machine.
    const begun = performance.now();
    packed(second.images, first.images);
    assert.equal(ghostkeep(['materialize', '-D', second.images]).status, 0);
    const longestMs = Math.ceil((performance.now() - begun) / 2);
    let killed = 0;
    for (let round = 0; round < rounds; round += 1) {
      const isPacked = fs.existsSync(`${second.images}/ghostkeep-layer-1.map`);
      const words = isPacked
        ? ['materialize', '-D', second.images]
        : ['pack', '-D', second.images, '--parent', first.images];
      const [file, ...args] = [...command, ...words] as [string, ...string[]];
      const child = spawn(file, args, { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await sleep(random(longestMs));
      child.kill('SIGKILL');
      const [, signal] = await ended;
      killed += signal === 'SIGKILL' ? 1 : 0;
      await assertHolds(t, second.images, second.contents);
      await assertHolds(t, first.images, first.contents);
      assert.equal(ghostkeep(['verify', '-D', second.images, '--chain']).status, 0);
    }
    t.diagnostic(`${killed} of ${rounds} were killed`);
    ghostkeep(['materialize', '-D', second.images]);
    packed(second.images, first.images);
    assert.equal(ghostkeep(['materialize', '-D', second.images]).status, 0);
    assert.deepEqual(filesIn(second.images), ['ghost-file-1.img', 'ghostkeep-manifest.json']);
  });
});

/** `dedup` and `--auto-dedup` by the built program: what they free, what they refuse, and what they print. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Deduplicated } from '../../src/base/documents/generated/deduplicated.js';
import type { Verification } from '../../src/base/documents/generated/verification.js';
import { shareBlocks } from '../../src/flows/history/share.js';
import { checkBeforeRestore } from '../../src/flows/restore/check-before.js';
import { randomFrom } from '../random.js';
import { filesIn, flows, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { assertHolds, dumpInto, LivingGhosts, type Night, nights, unit } from './history-of-ghosts.js';
import { onLoopDevice, onRamfs, run, usedBytes } from './loop-device.js';

const MiB = 1 << 20;

function done(...args: string[]): string {
  const { status, stdout, stderr } = ghostkeep(args);
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

function refused(code: string, ...args: string[]): string {
  const { status, stdout, stderr } = ghostkeep(args);
  assert.equal(status, 1, `${args.join(' ')}: ${stdout}`);
  assert.match(`${stderr}${stdout}`, new RegExp(`\\[${code}\\]`), args.join(' '));
  return `${stderr}${stdout}`;
}

/** Nights of which each but the first is packed with the one before. Byte 7 of unit N differs in night N. */
async function packedNights(
  t: TestContext,
  count: number,
  bytes: number,
  disk = temporaryFolder(t),
): Promise<[Night, Night, Night]> {
  const chain = await nights(t, count, bytes, disk);
  for (const [night, { images }] of chain.entries())
    if (night > 0) done('pack', '-D', images, '--parent', chain[night - 1]?.images as string);
  return chain as [Night, Night, Night];
}

const dedup = (images: string, ...more: string[]) =>
  JSON.parse(done('dedup', '-D', images, '--json', ...more)) as Deduplicated;

const blocksOf = (file: string) => fs.statSync(file).blocks * 512;

const holesIn = (file: string) => fs.statSync(file).size - blocksOf(file);

describe('dedup', () => {
  it('dedup frees in every parent the units of 64 KiB that the child has replaced, and no other', async t => {
    const [first, second, third] = await packedNights(t, 3, 2 * MiB);
    const said = dedup(third.images, '--dry-run', '--discard-older');
    assert.equal(said.givenBytes, 2 * unit, 'unit 1 and unit 2 of the first night');
    assert.ok(fs.existsSync(`${first.images}/ghost-file-1.img`), 'nothing was changed');
    const { givenBytes, freedBytes, parents } = dedup(third.images, '--discard-older');
    assert.equal(givenBytes, 2 * unit);
    assert.ok(Number(freedBytes) >= 2 * unit && freedBytes === said.freedBytes, `${freedBytes} bytes`);
    assert.deepEqual(
      parents.map(({ images, packed }) => [images, packed]),
      [
        [second.images, 0],
        [first.images, 1],
      ],
    );
    assert.deepEqual(
      filesIn(first.images).filter(name => name.endsWith('.img')),
      [],
      'a stock CRIU has nothing to restore',
    );
    const data = `${first.images}/ghostkeep-layer-1.data`;
    const blocks = spawnSync('cmp', ['-n', String(unit), '-i', `${unit}:0`, data, '/dev/zero']);
    assert.equal(blocks.status, 0, 'unit 1 of the first night is a hole');
    assert.equal(holesIn(data), 2 * unit);
    await assertHolds(t, third.images, third.contents);
    assert.equal(ghostkeep(['verify', '-D', third.images, '--chain']).status, 0);
  });

  it('when a parent has given units up before, dedup of a later child adds only the units which that child replaces', async t => {
    const [first, second, third] = await packedNights(t, 3, MiB);
    dedup(second.images, '--discard-older');
    const before = fs.readFileSync(`${second.images}/ghostkeep-layer-1.map`);
    const { parents } = dedup(third.images);
    assert.deepEqual(
      parents.map(({ givenBytes }) => givenBytes),
      [0, unit],
    );
    assert.deepEqual(
      fs.readFileSync(`${second.images}/ghostkeep-layer-1.map`),
      before,
      'a map never changes',
    );
    const takers = /gave up 128 KiB of its data to .*night-2, .*night-1|gave up .*night-1, .*night-2/;
    assert.match(done('show', first.images), takers);
    await assertHolds(t, third.images, third.contents);
  });

  it('when a child has replaced nothing of its parent, dedup leaves the parent as it is', async t => {
    const disk = temporaryFolder(t);
    const ghosts = new LivingGhosts(t, temporaryFolder(t), randomFrom(1));
    const fd = ghosts.come(MiB);
    const all: Night[] = [];
    for (const night of [0, 1, 2]) {
      // The last night has nothing that is new.
      if (night === 1) fs.writeSync(fd, 'x', 0);
      const images = `${disk}/night-${night}`;
      await dumpInto(images);
      all.push({ images, contents: ghosts.contents() });
    }
    const [first, second, third] = all as [Night, Night, Night];
    done('pack', '-D', second.images, '--parent', first.images);
    done('pack', '-D', third.images, '--parent', second.images);
    const { givenBytes } = dedup(third.images, '--discard-older');
    assert.equal(givenBytes, unit, 'the unit of the first night that the second has replaced');
    await assertHolds(t, second.images, second.contents);
    await assertHolds(t, third.images, third.contents);
    refused('GIVEN_UP', 'restore', '-D', first.images, '--to', `${disk}/back`);
  });

  it('dedup that is repeated frees nothing more, and frees again what a copy of the parent has filled', async t => {
    const [first, , third] = await packedNights(t, 3, MiB);
    dedup(third.images, '--discard-older');
    const before = fs.readFileSync(`${first.images}/ghostkeep-manifest.json`, 'utf8');
    assert.deepEqual([dedup(third.images).givenBytes, dedup(third.images).freedBytes], [0, 0]);
    assert.equal(fs.readFileSync(`${first.images}/ghostkeep-manifest.json`, 'utf8'), before);
    const data = `${first.images}/ghostkeep-layer-1.data`;
    run('cp', '--sparse=never', data, `${data}.full`);
    fs.renameSync(`${data}.full`, data);
    assert.equal(dedup(third.images).freedBytes, 2 * unit);
  });

  it('dedup refuses whatever could lose more than --discard-older allows, and changes nothing then', async t => {
    const disk = temporaryFolder(t);
    const [first, second, third] = await packedNights(t, 3, MiB, disk);
    const state = () =>
      run('sh', '-c', `cd ${disk} && find . -type f | sort | xargs stat -c '%n %i %s %b' && cat */*.json`);
    const before = state();
    assert.match(refused('STANDS_ALONE', 'dedup', '-D', third.images), /night-0 can still be restored/);
    refused('BAD_INPUT', 'dedup', '-D', first.images, '--discard-older');
    refused('HAS_CHILDREN', 'materialize', second.images, '--auto-dedup');
    refused('HAS_CHILDREN', 'restore', '-D', second.images, '--to', `${disk}/back`, '--auto-dedup');
    refused('HAS_CHILDREN', 'pack', '-D', third.images, '--parent', first.images, '--auto-dedup');
    fs.rmSync(`${disk}/back`, { recursive: true, force: true });
    assert.equal(state(), before);
    const [other] = (await nights(t, 1, MiB, `${disk}/other`)) as [Night];
    run('cp', '-a', second.images, `${disk}/second`);
    done('pack', '-D', other.images, '--parent', second.images);
    const two = refused('HAS_CHILDREN', 'dedup', '-D', third.images, '--discard-older');
    assert.match(two, /other\/night-0 needs what is in it/);
    await assertHolds(t, second.images, second.contents);
    fs.rmSync(other.images, { recursive: true });
    const gone = refused('HAS_CHILDREN', 'dedup', '-D', third.images, '--discard-older');
    assert.match(gone, /other\/night-0 needed .*night-1, and is not there; mount it/);
    const copy = refused('HAS_CHILDREN', 'dedup', third.images, '--discard-older', '--children-removed');
    assert.match(copy, /\/second needs what is in it/, 'no list has the copy');
    fs.rmSync(`${disk}/second`, { recursive: true });
    dedup(third.images, '--discard-older', '--children-removed');
  });

  it('when dedup has freed units of a parent, every command refuses the parent and names its child', async t => {
    const [first, second, third] = await packedNights(t, 3, MiB);
    dedup(third.images, '--discard-older');
    const to = `${temporaryFolder(t)}/back`;
    const [fresh] = (await nights(t, 1, MiB)) as [Night];
    for (const { images } of [first, second])
      for (const args of [
        ['restore', '-D', images, '--to', to],
        ['materialize', images],
        ['materialize', images, '--to', to],
        ['materialize', images, '--auto-dedup', '--to', to],
        ['verify', images],
        ['verify', images, '--chain'],
        ['pack', '-D', images, '--parent', third.images],
        ['pack', '-D', fresh.images, '--parent', images],
        ['share', '-D', images, fresh.images],
      ]) {
        const text = ghostkeep(args);
        assert.match(`${text.stderr}${text.stdout}`, /\[GIVEN_UP\]/, args.join(' '));
        assert.match(`${text.stderr}${text.stdout}`, /night-2/, args.join(' '));
        assert.equal(text.status, 1, args.join(' '));
        fs.rmSync(to, { recursive: true, force: true });
      }
    await assert.rejects(
      checkBeforeRestore(flows(), first.images, () => undefined as never),
      {
        code: 'GIVEN_UP',
      },
    );
    await assert.rejects(shareBlocks(flows(), [first.images, second.images]), { code: 'GIVEN_UP' });
    const { layers } = JSON.parse(ghostkeep(['verify', first.images, '--json']).stdout) as Verification;
    assert.deepEqual(layers, [
      { id: 1, good: MiB - 2 * unit, givenUp: 2 * unit, to: [third.images], bad: 0, unread: 0 },
    ]);
    assert.match(done('show', second.images), /1 gave up .* to .*night-2: it cannot be restored from here/);
    // The child can be a parent as before, also of a night that comes later.
    done('pack', '-D', fresh.images, '--parent', third.images);
    done('verify', fresh.images, '--chain');
  });

  it('dedup goes by its record alone, after tar, after cp and where holes were filled or made', async t => {
    const disk = temporaryFolder(t);
    const [first, , third] = await packedNights(t, 3, MiB, disk);
    dedup(third.images, '--discard-older');
    const copies: [string, string][] = [
      ['never', `cp -a --sparse=never`],
      ['always', `cp -a --sparse=always`],
      ['tar', `sh -c 'mkdir "$2" && tar -cf - -C "$1" . | tar -xf - -C "$2"' sh`],
      ['tar-s', `sh -c 'mkdir "$2" && tar -S -cf - -C "$1" . | tar -xf - -C "$2"' sh`],
      // scp writes as `cat` does: every byte, in order.
      ['scp', `sh -c 'mkdir "$2"; for f in "$1"/*; do cat "$f" > "$2/\${f##*/}"; done' sh`],
    ];
    for (const [name, how] of copies) {
      fs.mkdirSync(`${disk}/${name}`);
      for (const night of [0, 1, 2])
        run('sh', '-c', `${how} ${disk}/night-${night} ${disk}/${name}/night-${night}`);
      await assertHolds(t, `${disk}/${name}/night-2`, third.contents);
      const text = refused('GIVEN_UP', 'restore', '-D', `${disk}/${name}/night-0`, '--to', `${disk}/back`);
      assert.match(text, new RegExp(`${name}/night-2`));
      assert.deepEqual(filesIn(`${disk}/back`), []);
      assert.match(
        refused('GIVEN_UP', 'verify', `${disk}/${name}/night-0`),
        /gave up 128 KiB .* 896 KiB here are good, 0 B are bad/,
      );
    }
    // Without the record, the bytes that were given up count as bad, and never as zero.
    const manifest = `${first.images}/ghostkeep-manifest.json`;
    fs.writeFileSync(
      manifest,
      fs.readFileSync(manifest, 'utf8').replace(/"given":\s*\{[^[]*\[[^\]]*\]\s*\}/, '"unknown": 1'),
    );
    const bad = ghostkeep(['verify', first.images]);
    assert.match(`${bad.stdout}${bad.stderr}`, /2 units of 64 KiB are bad.*IMAGE_INVALID|MANIFEST_INVALID/);
    assert.equal(ghostkeep(['restore', '-D', first.images, '--to', `${disk}/back`]).status, 1);
    assert.deepEqual(filesIn(`${disk}/back`), []);
  });

  it('where a file system cannot punch holes, the error of dedup names the parent, which stays as it is', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const disk = onRamfs(t);
    const [first, second, third] = await packedNights(t, 3, MiB, disk);
    assert.match(refused('NO_HOLES', 'dedup', '-D', third.images, '--discard-older'), /night-1/);
    for (const { images, contents } of [first, second, third]) await assertHolds(t, images, contents);
    refused('NO_HOLES', 'materialize', third.images, '--to', `${disk}/whole`, '--auto-dedup');
    await assertHolds(t, third.images, third.contents);
  });
});

describe('--auto-dedup', () => {
  it('--auto-dedup of pack and dump --parent keeps little more than one copy of a history', async t => {
    const disk = temporaryFolder(t);
    const [first, second, third] = (await nights(t, 3, 4 * MiB, disk)) as [Night, Night, Night];
    const parent = (images: string) => ['--parent', images, '--auto-dedup'];
    refused('STANDS_ALONE', 'pack', '-D', second.images, ...parent(first.images));
    assert.ok(fs.existsSync(`${second.images}/ghost-file-1.img`), 'it was not packed');
    done('pack', '-D', second.images, ...parent(first.images), '--discard-older');
    assert.match(done('pack', '-D', third.images, ...parent(second.images)), /64 KiB are free/);
    const used = [first, second, third].reduce(
      (sum, { images }) =>
        sum + filesIn(images).reduce((all, name) => all + blocksOf(`${images}/${name}`), 0),
      0,
    );
    assert.ok(used < 4 * MiB + 3 * unit, `${used} bytes`);
    await assertHolds(t, third.images, third.contents);
    const pid = ['--pid', String(process.pid)];
    const images = `${disk}/night-3`;
    done('dump', ...pid, '-D', images, ...parent(third.images));
    assert.match(done('show', images), /1 is packed: 0 B here, 4 MiB in \.\.\/night-2/);
    await assertHolds(t, images, third.contents);
    assert.equal(ghostkeep(['dump', ...pid, '-D', `${images}-x`, '--auto-dedup']).status, 2);
    refused('GIVEN_UP', 'dump', ...pid, '-D', `${images}-x`, '--parent', first.images);
    assert.equal(fs.existsSync(`${images}-x`), false, 'nothing is dumped where the parent is of no use');
  });

  it('--auto-dedup frees a parent also for a child that has no unit in common with it and so stays whole', async t => {
    const folder = temporaryFolder(t);
    const fd = fs.openSync(`${folder}/ghost`, 'wx+');
    t.after(() => fs.closeSync(fd));
    fs.unlinkSync(`${folder}/ghost`);
    fs.writeSync(fd, randomBytes(MiB));
    const pid = ['--pid', String(process.pid)];
    const [first, second] = [`${folder}/first`, `${folder}/second`];
    done('dump', ...pid, '-D', first);
    for (let at = 0; at < MiB; at += unit) fs.writeSync(fd, randomBytes(4096), 0, 4096, at);
    done('dump', ...pid, '-D', second, '--parent', first, '--auto-dedup', '--discard-older');
    assert.ok(fs.existsSync(`${second}/ghost-file-1.img`), 'CRIU can restore it');
    assert.equal(fs.existsSync(`${first}/ghost-file-1.img`), false);
    assert.ok(blocksOf(`${first}/ghostkeep-layer-1.data`) <= 4096);
    assert.match(refused('GIVEN_UP', 'verify', first), /gave up 1 MiB to .*second/);
    done('verify', second);
  });

  for (const filesystem of ['ext4', 'xfs'] as const)
    it(`materialize --auto-dedup makes a checkpoint elsewhere with hardly more room than one copy takes, on ${filesystem}`, async t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const bytes = 48 * MiB;
      const disk = onLoopDevice(t, filesystem, '320M');
      const [first, second] = (await nights(t, 2, bytes, disk)) as [Night, Night];
      done('pack', '-D', second.images, '--parent', first.images, '--auto-dedup', '--discard-older');
      // xfs frees the blocks of a removed file some time later, at the latest when it is asked to sync.
      usedBytes(disk);
      const free = fs.statfsSync(disk).bavail * fs.statfsSync(disk).bsize;
      run('fallocate', '-l', String(free - 16 * MiB), `${disk}/filler`);
      const to = `${disk}/whole`;
      refused('NO_SPACE', 'materialize', second.images, '--to', to);
      fs.rmSync(to, { recursive: true });
      const before = usedBytes(disk);
      const moved = done('materialize', second.images, '--to', to, '--auto-dedup', '--json');
      const { freedBytes } = JSON.parse(moved) as { freedBytes: number };
      assert.ok(freedBytes >= bytes, `${freedBytes} bytes`);
      assert.ok(usedBytes(disk) - before < 4 * MiB, `${usedBytes(disk) - before} bytes more`);
      await assertHolds(t, to, second.contents);
      assert.match(refused('GIVEN_UP', 'verify', second.images), /\/whole/);
    });

  it('restore --auto-dedup makes files while the layers give up their bytes, and goes on where it was interrupted', async t => {
    const disk = temporaryFolder(t);
    const [first, second] = (await nights(t, 2, 10 * MiB, disk)) as [Night, Night];
    done('pack', '-D', second.images, '--parent', first.images, '--auto-dedup', '--discard-older');
    const to = `${disk}/files`;
    done('restore', '-D', second.images, '--to', to, '--auto-dedup');
    const [content] = [...second.contents.values()];
    assert.ok(fs.readFileSync(`${to}/ghost-1`).equals(content as Buffer));
    assert.ok(blocksOf(`${first.images}/ghostkeep-layer-1.data`) <= 4096);
    // This is the state that a kill before the last rename leaves.
    fs.renameSync(`${to}/ghost-1`, `${to}/.ghostkeep-moved-1`);
    const manifest = `${second.images}/ghostkeep-manifest.json`;
    const text = fs.readFileSync(manifest, 'utf8');
    assert.match(text, /"below": ?161/);
    done('restore', '-D', second.images, '--to', to, '--auto-dedup');
    assert.deepEqual(filesIn(to), ['ghost-1']);
    assert.ok(fs.readFileSync(`${to}/ghost-1`).equals(content as Buffer));
    refused('GIVEN_UP', 'restore', '-D', second.images, '--to', `${disk}/elsewhere`, '--auto-dedup');
    fs.writeFileSync(`${to}/ghost-1`, 'x');
    refused('IMAGE_MISMATCH', 'restore', '-D', second.images, '--to', to, '--auto-dedup');
  });
});

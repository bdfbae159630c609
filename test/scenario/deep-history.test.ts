/**
 * Memory does not grow with the number of extents or of parents. The ghost has one byte in each unit of
 * 64 KiB, so its image is small. `npm run campaign depth` has 1,000,000 units (bench/results/campaign.json).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { encodeGhostHead } from '../../src/criu/ghost-file.js';
import { forget } from '../../src/flows/forget/forget.js';
import { pack } from '../../src/flows/history/pack.js';
import { NativeEngine } from '../../src/host/engine/engine.js';
import { randomFrom } from '../random.js';
import { flows, temporaryFolder } from './ghostkeep.js';
import { dumpInto, LivingGhosts, unit } from './history-of-ghosts.js';

const units = Number(process.env['GHOSTKEEP_UNITS'] ?? 20_000);
const mostBytes = 300 * 2 ** 20;

function file(t: TestContext, folder: string, name: string): number {
  const fd = fs.openSync(`${folder}/${name}`, 'wx+');
  t.after(() => fs.closeSync(fd));
  return fd;
}

function write(fd: number, bytes: Buffer, length: number): 0 {
  fs.writeSync(fd, bytes, 0, length);
  return 0;
}

/** An image with a chunk of one byte in each unit. */
function sparseImage(t: TestContext, folder: string): number {
  const fd = file(t, folder, 'image');
  const size = BigInt(units * unit);
  const head = { uid: 0, gid: 0, mode: 0o100600, dev: 1n, ino: 1n, size, atimeNs: 0n, mtimeNs: 0n };
  const window = Buffer.alloc(1 << 20);
  let used = encodeGhostHead(head).copy(window);
  for (let at = 0; at < units; at += 1) {
    // The test itself must not take much memory, so it writes the window whenever that is full.
    if (used > window.length - 64) used = write(fd, window, used);
    const entry = [8, 1, 16, ...varint(at * unit + 5)];
    for (const byte of [entry.length, 0, 0, 0, ...entry, 65 + (at % 20)]) window[used++] = byte;
  }
  write(fd, window, used);
  return fd;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    bytes.push((left % 128) + (left >= 128 ? 128 : 0));
    if (left < 128) return bytes;
  }
}

function edit(images: string, change: (manifest: Manifest) => void): void {
  const name = `${images}/ghostkeep-manifest.json`;
  const manifest = JSON.parse(fs.readFileSync(name, 'utf8')) as Manifest;
  change(manifest);
  fs.writeFileSync(name, JSON.stringify(manifest));
}

/** A directory with the sparse image, as if it had been dumped. */
async function sparseCheckpoint(t: TestContext, images: string): Promise<void> {
  const ghosts = new LivingGhosts(t, temporaryFolder(t), randomFrom(1));
  ghosts.come(3 * unit);
  await dumpInto(images);
  fs.rmSync(`${images}/ghost-file-1.img`);
  sparseImage(t, images);
  fs.renameSync(`${images}/image`, `${images}/ghost-file-1.img`);
  const imageBytes = fs.statSync(`${images}/ghost-file-1.img`).size;
  edit(images, ({ ghosts: [ghost] }) => {
    if (!ghost?.data) return;
    Object.assign(ghost, { size: units * unit, mode: 0o100600, uid: 0, gid: 0, physicalDev: '0:1', ino: 1 });
    Object.assign(ghost, { atime: '0.000000000', mtime: '0.000000000' });
    ghost.data = { ...ghost.data, bytes: units, chunks: units, imageBytes };
    delete ghost.data.digest;
  });
}

/** Directories 2 to COUNT: each is like the first packed one, and has the one before it as parent. */
function repeatChild(disk: string, count: number): void {
  const childId = (night: number) => `00000000-0000-4000-8000-0000000000${String(night).padStart(2, '0')}`;
  for (let night = 2; night <= count; night += 1) {
    const images = `${disk}/${night}`;
    fs.cpSync(`${disk}/1`, images, { recursive: true });
    const created = `2026-01-01T00:00:${String(night).padStart(2, '0')}.000Z`;
    const before = JSON.parse(
      fs.readFileSync(`${disk}/${night - 1}/ghostkeep-manifest.json`, 'utf8'),
    ) as Manifest;
    edit(images, manifest => {
      manifest.created = created;
      manifest.parent = { path: `../${night - 1}`, created: before.created, child: childId(night) };
    });
    const children = [{ id: childId(night), path: `../${night}` }];
    fs.writeFileSync(
      `${disk}/${night - 1}/ghostkeep-children.json`,
      JSON.stringify({ format: 'ghostkeep', version: 1, children }),
    );
  }
}

describe('a deep history', () => {
  it('the engine checks and packs 33 layers, each with an extent in each unit, in less than 300 MiB of memory', async t => {
    const folder = temporaryFolder(t);
    const engine = new NativeEngine();
    const image = { imageFd: sparseImage(t, folder) };
    const layer = { mapFd: file(t, folder, 'map'), dataFd: file(t, folder, 'data') };
    const packed = await engine.pack({ ghost: [image], parent: [image], ...layer });
    assert.deepEqual([packed.chunks, packed.dataBytes], [BigInt(units), 0n]);
    // Every layer says that all is in its parent, so all of them are the same map.
    const levels = [...Array.from({ length: 32 }, () => layer), image];
    const checked = await engine.checkLayer(levels);
    assert.equal(checked.dataBytes, BigInt(units * 4096));
    // A dump that is packed over all of them, and what its dedup would give up of the oldest.
    const child = { mapFd: file(t, folder, 'child.map'), dataFd: file(t, folder, 'child.data') };
    const again = await engine.pack({ ghost: [image], parent: levels.slice(1), ...child });
    assert.deepEqual([again.chunks, again.dataBytes], [BigInt(units), 0n]);
    const given = await engine.giveUp([child, ...levels.slice(1)], 32, undefined, 1);
    assert.deepEqual([given.size, given.keptBytes], [0n, BigInt(units)]);
    await assert.rejects(engine.checkLayer([...levels, image]), /cannot walk over 34 layers/);
    const used = process.resourceUsage().maxRSS * 1024;
    t.diagnostic(`${units} extents, ${Math.round(used / 2 ** 20)} MiB`);
    assert.ok(used < mostBytes, `${used} bytes`);
  });

  it('forgetting one of 33 checkpoints, in the middle or the oldest, stays below 300 MiB', async t => {
    const disk = temporaryFolder(t);
    await sparseCheckpoint(t, `${disk}/0`);
    fs.cpSync(`${disk}/0`, `${disk}/1`, { recursive: true });
    await pack(flows(), { images: `${disk}/1`, parent: `${disk}/0` });
    repeatChild(disk, 32);
    const middle = await forget(flows(), { images: `${disk}/16` });
    assert.deepEqual([middle.children[0]?.joined, middle.children[0]?.parent], [1, `${disk}/15`]);
    const oldest = await forget(flows(), { images: `${disk}/0` });
    assert.deepEqual([oldest.children[0]?.whole, oldest.children[0]?.parent], [1, undefined]);
    const used = process.resourceUsage().maxRSS * 1024;
    t.diagnostic(`${units} extents, ${Math.round(used / 2 ** 20)} MiB`);
    assert.ok(used < mostBytes, `${used} bytes`);
  });
});

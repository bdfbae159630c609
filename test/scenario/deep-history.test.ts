/**
 * Memory does not grow with the number of extents or of parents. The ghost has one byte in each unit of
 * 64 KiB, so its image is small. 1,000,000 such units at depth 32 took 156 MiB (docs/decisions/0018-layers.md).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { encodeGhostHead } from '../../src/criu/ghost-file.js';
import { NativeEngine } from '../../src/host/engine/engine.js';
import { temporaryFolder } from './ghostkeep.js';
import { unit } from './history-of-ghosts.js';

const units = Number(process.env['GHOSTKEEP_UNITS'] ?? 20_000);
const mostBytes = 300 * 2 ** 20;

function file(t: TestContext, folder: string, name: string): number {
  const fd = fs.openSync(`${folder}/${name}`, 'wx+');
  t.after(() => fs.closeSync(fd));
  return fd;
}

/** An image with a chunk of one byte in each unit. */
function sparseImage(t: TestContext, folder: string): number {
  const fd = file(t, folder, 'image');
  const size = BigInt(units * unit);
  const head = { uid: 0, gid: 0, mode: 0o100600, dev: 1n, ino: 1n, size, atimeNs: 0n, mtimeNs: 0n };
  const parts: Buffer[] = [encodeGhostHead(head)];
  for (let at = 0; at < units; at += 1) {
    const entry = Buffer.from([8, 1, 16, ...varint(at * unit + 5)]);
    parts.push(Buffer.from([entry.length, 0, 0, 0]), entry, Buffer.from([65 + (at % 20)]));
  }
  fs.writeSync(fd, Buffer.concat(parts));
  return fd;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    bytes.push((left % 128) + (left >= 128 ? 128 : 0));
    if (left < 128) return bytes;
  }
}

describe('a deep history', () => {
  it('when 33 layers have an extent in each unit, memory stays below 300 MiB', async t => {
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
    await assert.rejects(engine.checkLayer([...levels, image]), /cannot walk over 34 layers/);
    const used = process.resourceUsage().maxRSS * 1024;
    t.diagnostic(`${units} extents, ${Math.round(used / 2 ** 20)} MiB`);
    assert.ok(used < mostBytes, `${used} bytes`);
  });
});

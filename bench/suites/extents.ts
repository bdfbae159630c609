/**
 * Repeats the comparison that CRIU's sparse-ghost work was published with: the time that FIEMAP and SEEK_DATA
 * take to find the extents of a file of 4 KiB data, 4 KiB hole. Ours is the engine's FIEMAP through its FFI,
 * and the peer is its own SEEK_DATA. The published figures stand beside them; they are another machine's, so
 * only their ratio says something here.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { EngineName } from '../../src/base/host/host.js';
import { NativeEngine } from '../../src/host/engine/engine.js';
import { call, engineNumber } from '../../src/host/native/call.js';
import { extent } from '../../src/host/native/layout.js';
import { alternating, type Pattern, ranges, writePattern } from '../content/patterns.js';
import type { Filesystem } from '../machine/filesystems.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';

/** µs for FIEMAP and SEEK. Source: L.-C. Chen, Google Summer of Code 2022, CRIU: "compare", run on ext4. */
const published: Record<number, [number, number]> = {
  32: [2040, 7161],
  64: [4239, 14474],
  128: [8529, 30161],
  256: [17161, 58791],
};

export const extentsSuite: Suite = {
  name: 'extents',
  summary: 'finding 4K/4K extents: FIEMAP against SEEK_DATA, beside the published figures',
  needsFilesystems: true,
  async *run(context) {
    for (const filesystem of context.filesystems) {
      for (const mebibytes of context.quick ? [32] : [32, 64, 128, 256]) {
        const pattern = alternating(mebibytes);
        if (context.wants(pattern.name)) yield await cell(context, filesystem, pattern, mebibytes);
      }
    }
  },
};

const engine = new NativeEngine();
const batch = 512;

async function cell(
  context: SuiteContext,
  filesystem: Filesystem,
  pattern: Pattern,
  mebibytes: number,
): Promise<Row> {
  const file = path.join(filesystem.folder, 'alternating');
  const fd = fs.openSync(file, 'wx+', 0o600);
  const unequal = new Set<string>();
  try {
    writePattern(pattern, file, fd);
    fs.fsyncSync(fd);
    const turn = (label: string, name: EngineName) => () => {
      const ms = walk(fd, engineNumber(name), BigInt(pattern.size));
      const data = [...engine.extents(fd, name, BigInt(pattern.size))].filter(({ kind }) => kind === 'data');
      if (!covers(pattern, data)) unequal.add(label);
      return ms;
    };
    const contenders = { [ours]: turn(ours, 'fiemap'), seek: turn('seek', 'seek') };
    const samples = await interleave(contenders, context.quick ? 3 : 7);
    const row = makeRow({
      suite: 'extents',
      case: pattern.name,
      filesystem: filesystem.name,
      state: 'synced',
      samples,
      unequal,
    });
    const [fiemap, seek] = published[mebibytes] as [number, number];
    return {
      ...row,
      published: { fiemapMs: fiemap / 1000, seekMs: seek / 1000, ratio: Number((fiemap / seek).toFixed(3)) },
    };
  } finally {
    fs.closeSync(fd);
    fs.rmSync(file);
  }
}

/**
 * Measures the library alone, in batches as the engine asks for them, without the time that JavaScript takes
 * to convert each extent.
 */
function walk(fd: number, name: number, size: bigint): number {
  const [extents, count, next] = [Buffer.alloc(batch * extent.bytes), Buffer.alloc(4), Buffer.alloc(8)];
  const started = performance.now();
  for (let start = 0n; start < size; start = next.readBigUInt64LE(0))
    call('gk_extents', fd, name, size, start, extents, batch, count, next);
  return performance.now() - started;
}

/** Every data block must lie in an extent. An extent may be longer, because allocation has its own grain. */
function covers(pattern: Pattern, extents: readonly { offset: bigint; length: bigint }[]): boolean {
  let index = 0;
  for (const [start, end] of ranges(pattern, 0, pattern.size)) {
    while (index < extents.length && endOf(extents[index]) <= start) index += 1;
    if (index >= extents.length || Number(extents[index]?.offset) > start || endOf(extents[index]) < end)
      return false;
  }
  return true;
}

function endOf(extent: { offset: bigint; length: bigint } | undefined): number {
  return extent ? Number(extent.offset + extent.length) : Number.POSITIVE_INFINITY;
}

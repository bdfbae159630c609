/**
 * The comparison CRIU's sparse-ghost work was published with: how long FIEMAP and SEEK_DATA take to find the extents
 * of a file of 4 KiB data, 4 KiB hole. Published there, in µs: 32 MiB 2040 / 7161, 64 MiB 4239 / 14474,
 * 128 MiB 8529 / 30161, 256 MiB 17161 / 58791, a ratio of 3.4.
 *
 *   node --import tsx bench/extents.ts [FOLDER]      (default: the working directory)
 *
 * The engines take turns, the median of seven counts; the file is written out first, so that both look at one map.
 */
import fs from 'node:fs';
import path from 'node:path';
import { NativeEngine } from '../src/host/engine.js';

const folder = process.argv[2] ?? '.';
const published: Record<number, [number, number]> = {
  32: [2040, 7161],
  64: [4239, 14474],
  128: [8529, 30161],
  256: [17161, 58791],
};
const rounds = 7;
const engine = new NativeEngine();

console.log('MiB  extents  fiemap µs  seek µs  ratio  published');
for (const mebibytes of [32, 64, 128, 256]) {
  const file = path.join(folder, `.ghostkeep-bench-${process.pid}`);
  const fd = fs.openSync(file, 'wx+');
  fs.unlinkSync(file);
  try {
    const size = alternate(fd, mebibytes);
    const times = { fiemap: [] as number[], seek: [] as number[] };
    let extents = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const name of ['fiemap', 'seek'] as const) {
        const started = performance.now();
        extents = [...engine.extents(fd, name, size)].length;
        times[name].push((performance.now() - started) * 1000);
      }
    }
    const [fiemap, seek] = [median(times.fiemap), median(times.seek)];
    const [publishedFiemap, publishedSeek] = published[mebibytes] as [number, number];
    console.log(
      [
        String(mebibytes).padStart(3),
        String(extents).padStart(7),
        fiemap.toFixed(0).padStart(9),
        seek.toFixed(0).padStart(7),
        (seek / fiemap).toFixed(2).padStart(5),
        `${publishedFiemap} / ${publishedSeek}`,
      ].join('  '),
    );
  } finally {
    fs.closeSync(fd);
  }
}

function alternate(fd: number, mebibytes: number): bigint {
  const block = Buffer.alloc(4096, 'ghost');
  const size = mebibytes << 20;
  for (let offset = 0; offset < size; offset += 8192) fs.writeSync(fd, block, 0, block.length, offset);
  fs.ftruncateSync(fd, size);
  fs.fsyncSync(fd);
  return BigInt(size);
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

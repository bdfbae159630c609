// Measures dumps over an earlier image of the ghost: the table of docs/decisions/0017-comparing-in-pieces.md.
//   node bench/dump-over.mjs --dir DIR [--mib 1024] [--rounds 5] [--case NAME] LIBRARY [LIBRARY …]
// Each LIBRARY is a libghostkeep.so. They take turns over the same ghost, each with an image of its own. For
// each it prints the shortest and the median time, the least processor time, and what it wrote by /proc/self/io.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';

const koffi = createRequire(import.meta.url)('koffi');
const [chunked, over] = [1, 4];
const [page, mebibyte] = [4096, 2 ** 20];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: 'string', default: '.' },
    mib: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '5' },
    case: { type: 'string', multiple: true },
  },
});
const bytes = Number(values.mib) * mebibyte;
let seed = 1;

/** @returns a number below END that is the same in every run */
function pick(end) {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 2 ** 32) * end);
}

function noise(length, from) {
  const words = new Uint32Array(length / 4);
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i + from, 2654435761) | 1;
  return Buffer.from(words.buffer);
}

function fill(fd, start, from) {
  const block = noise(mebibyte, from);
  for (let at = start; at < bytes; at += mebibyte) {
    block.writeUInt32LE((at / mebibyte + from) >>> 0, 0);
    fs.writeSync(fd, block, 0, mebibyte, at);
  }
}

const fallocate = (fd, ...args) =>
  execFileSync('fallocate', [...args, '/proc/self/fd/3'], { stdio: ['ignore', 'inherit', 'inherit', fd] });

/** The cases: how a ghost begins, and what happens to it before each round. */
const cases = {
  unchanged: { begin: fd => fill(fd, 0, 7), change: () => {} },
  scattered: {
    begin: fd => fill(fd, 0, 7),
    change: (fd, round) => {
      const data = noise(page, round + 99);
      for (let n = 0; n < bytes / page / 100; n += 1)
        fs.writeSync(fd, data, 0, page, pick(bytes / page) * page);
    },
  },
  all: { begin: fd => fill(fd, 0, 7), change: (fd, round) => fill(fd, 0, round + 1000) },
  // A file with a hole in front, and in it an extent that comes and goes.
  inserted: {
    begin: fd => fill(fd, 4 * mebibyte, 7),
    change: (fd, round) =>
      round % 2
        ? fs.writeSync(fd, noise(16 * page, round), 0, 16 * page, mebibyte)
        : fallocate(fd, '-p', '-o', `${mebibyte}`, '-l', `${16 * page}`),
  },
  small: {
    begin: fd => {
      const data = noise(page, 5);
      for (let at = 0; at < bytes / 8; at += 2 * page) fs.writeSync(fd, data, 0, page, at);
    },
    change: () => {},
  },
};

function head(size) {
  const varint = value => {
    const out = [];
    for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
    return [...out, value];
  };
  const fields = [1, 2, 3, 4, 5].flatMap(n => [n << 3, 1]);
  const entry = Buffer.from([...fields, 9 << 3, 1, 10 << 3, ...varint(size)]);
  const start = Buffer.alloc(12);
  start.writeUInt32LE(0x54564319, 0);
  start.writeUInt32LE(0x52583605, 4);
  start.writeUInt32LE(entry.length, 8);
  return Buffer.concat([start, entry]);
}

function written() {
  const io = fs.readFileSync('/proc/self/io', 'latin1');
  return Number(/^wchar: ([0-9]+)/m.exec(io)[1]);
}

function open(name) {
  const file = path.join(values.dir, name);
  const fd = fs.openSync(file, 'wx+');
  fs.unlinkSync(file);
  return fd;
}

const libraries = positionals.map(name => ({
  name,
  dump: koffi
    .load(path.resolve(name))
    .func('int gk_dump(int, int, uint32_t, uint64_t, void *, uint64_t, uint32_t, void *, void *)'),
}));

function dump({ dump: call }, ghost, image, flags) {
  const report = Buffer.alloc(4096);
  const size = fs.fstatSync(ghost).size;
  const first = head(size);
  const result = call(ghost, image, 0, size, first, first.length, chunked | flags, null, report);
  if (result !== 0) throw new Error(`gk_dump: ${result} ${report.toString('latin1')}`);
}

/**
 * Reads a file into memory. Another program may have dropped the caches, and an image that is not in memory
 * would be written anew and not compared.
 */
function intoMemory(fd) {
  const window = Buffer.alloc(mebibyte);
  for (let at = 0; fs.readSync(fd, window, 0, mebibyte, at) > 0; at += mebibyte);
}

const median = list => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

for (const [name, { begin, change }] of Object.entries(cases)) {
  if (values.case && !values.case.includes(name)) continue;
  const ghost = open('ghost');
  begin(ghost);
  const runs = libraries.map((library, n) => ({
    library,
    image: open(`image-${n}`),
    ms: [],
    cpu: [],
    mib: [],
  }));
  for (const { library, image } of runs) dump(library, ghost, image, 0);
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    change(ghost, round);
    for (const { image } of runs) fs.fsyncSync(image);
    fs.fsyncSync(ghost);
    for (const { library, image, ms, cpu, mib } of round % 2 ? runs : runs.toReversed()) {
      intoMemory(ghost);
      intoMemory(image);
      const before = written();
      const used = process.cpuUsage();
      const started = performance.now();
      dump(library, ghost, image, over);
      ms.push(performance.now() - started);
      const { user, system } = process.cpuUsage(used);
      cpu.push((user + system) / 1000);
      mib.push((written() - before) / mebibyte);
    }
  }
  for (const { library, image, ms, cpu, mib } of runs) {
    const size = fs.fstatSync(image).size / mebibyte;
    const [least, middle, busy] = [Math.min(...ms), median(ms), Math.min(...cpu)].map(n =>
      n.toFixed(0).padStart(5),
    );
    console.log(
      `${name.padEnd(10)}${least} ms at best ${middle} median ${busy} of processors ` +
        `${median(mib).toFixed(1).padStart(7)} MiB written, image ${size.toFixed(1)} MiB  ${path.basename(library.name)}`,
    );
    fs.closeSync(image);
  }
  fs.closeSync(ghost);
}

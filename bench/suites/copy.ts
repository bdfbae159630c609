/**
 * Compares the engine, copying a file to a ghost image, with tools that copy sparse files. For the tools
 * whole commands are measured.
 */
import fs from 'node:fs';
import path from 'node:path';
import { encodeGhostHead, isChunked } from '../../src/criu/ghost-file.js';
import { NativeEngine } from '../../src/host/engine/engine.js';
import { Budget } from '../budget.js';
import { fileEquals, ghostImageEquals } from '../content/equal.js';
import {
  alternating,
  dataBytes,
  dense,
  fallocatedWith8k,
  holeBefore8k,
  type Pattern,
  writePattern,
} from '../content/patterns.js';
import type { Filesystem } from '../machine/filesystems.js';
import { timed, warm } from '../machine/timed.js';
import { findProgram } from '../machine/tree.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';

interface Tool {
  name: string;
  program: string;
  words(from: string, to: string): string[];
  /** Only for a tool that makes an archive: the arguments that unpack it to TO. */
  unpack?(archive: string, to: string): string[];
}

const tools: Tool[] = [
  { name: 'cp', program: 'cp', words: (from, to) => [from, to] },
  { name: 'cp --sparse=always', program: 'cp', words: (from, to) => ['--sparse=always', from, to] },
  { name: 'rsync -S', program: 'rsync', words: (from, to) => ['-S', '--inplace', from, to] },
  {
    name: 'bsdtar',
    program: 'bsdtar',
    words: (from, to) => ['-cf', to, '-C', path.dirname(from), path.basename(from)],
    unpack: (archive, to) => ['-xf', archive, '-C', path.dirname(to), '-s', `|.*|${path.basename(to)}|`],
  },
  {
    name: 'qemu-img',
    program: 'qemu-img',
    words: (from, to) => ['convert', '-f', 'raw', '-O', 'raw', from, to],
  },
  {
    name: 'dd conv=sparse',
    program: 'dd',
    words: (from, to) => [`if=${from}`, `of=${to}`, 'bs=1M', 'conv=sparse', 'status=none'],
  },
];

export const copySuite: Suite = {
  name: 'copy',
  summary: 'the engine beside cp, rsync, bsdtar, qemu-img and dd',
  needsFilesystems: true,
  async *run(context) {
    // Small patterns come first, so that the time they leave gives large ones more rounds.
    const chosen = patterns(context.quick)
      .toSorted((a, b) => dataBytes(a) - dataBytes(b))
      .filter(({ name }) => context.wants(name));
    const budget = new Budget(context.budgetMs, chosen.length * context.filesystems.length);
    for (const pattern of chosen) {
      for (const filesystem of context.filesystems) {
        const until = budget.next(`${pattern.name}, ${filesystem.name}`);
        if (until !== undefined) yield await cell(context, filesystem, pattern, until);
      }
    }
  },
};

function patterns(quick: boolean): Pattern[] {
  return quick
    ? [dense(64), alternating(16), holeBefore8k(256), fallocatedWith8k(64)]
    : [dense(1024), alternating(256), holeBefore8k(1024), fallocatedWith8k(1024)];
}

async function cell(
  context: SuiteContext,
  filesystem: Filesystem,
  pattern: Pattern,
  until: number,
): Promise<Row> {
  context.say(`${pattern.name}, ${filesystem.name}`);
  const from = path.join(filesystem.folder, 'original');
  const to = path.join(filesystem.folder, 'copy');
  const unequal = new Set<string>();
  const bytes: Record<string, number> = {};
  let fd = makeOriginal(pattern, from);
  try {
    const turn = (name: string, run: () => number | Promise<number>, right: () => boolean) => async () => {
      // A reader of unwritten space leaves pages there that the next reader takes for data.
      if (pattern.fallocated) {
        fs.closeSync(fd);
        fs.rmSync(from);
        fd = makeOriginal(pattern, from);
      }
      warm(filesystem.folder, dataBytes(pattern));
      try {
        const ms = await run();
        if (!right()) unequal.add(name);
        bytes[name] = fs.statSync(to).blocks * 512;
        return ms;
      } finally {
        fs.rmSync(to, { force: true });
      }
    };
    const contenders: Record<string, () => Promise<number>> = {
      [ours]: turn(
        ours,
        () => dumpOnce(fd, to),
        () => ghostImageEquals(pattern, to),
      ),
    };
    for (const tool of tools) {
      const program = findProgram(tool.program);
      if (!program) continue;
      contenders[tool.name] = turn(
        tool.name,
        () => timed([...program, ...tool.words(from, to)]),
        () => (tool.unpack ? archiveEquals(pattern, [...program], tool, to) : fileEquals(pattern, to)),
      );
    }
    const samples = await interleave(contenders, context.quick ? 1 : 5, until);
    return makeRow({
      suite: 'copy',
      case: pattern.name,
      filesystem: filesystem.name,
      state: 'synced',
      samples,
      unequal,
      bytes,
    });
  } finally {
    fs.closeSync(fd);
    fs.rmSync(from);
  }
}

function makeOriginal(pattern: Pattern, file: string): number {
  const fd = fs.openSync(file, 'wx+', 0o600);
  writePattern(pattern, file, fd);
  fs.fsyncSync(fd);
  return fd;
}

const engine = new NativeEngine();

async function dumpOnce(ghostFd: number, image: string): Promise<number> {
  const stat = fs.fstatSync(ghostFd, { bigint: true });
  const started = performance.now();
  const header = encodeGhostHead({
    uid: 0,
    gid: 0,
    mode: Number(stat.mode),
    dev: stat.dev,
    ino: stat.ino,
    size: stat.size,
    atimeNs: stat.atimeNs,
    mtimeNs: stat.mtimeNs,
  });
  const imageFd = fs.openSync(image, 'wx+', 0o600);
  try {
    await engine.dump({
      ghostFd,
      imageFd,
      engine: 'auto',
      size: stat.size,
      header,
      chunked: isChunked(stat.size),
      detectZeroes: false,
    });
  } finally {
    fs.closeSync(imageFd);
  }
  return performance.now() - started;
}

function archiveEquals(pattern: Pattern, program: string[], tool: Tool, archive: string): boolean {
  const unpacked = `${archive}-unpacked`;
  try {
    timed([...program, ...(tool.unpack?.(archive, unpacked) ?? [])]);
    return fileEquals(pattern, unpacked);
  } finally {
    fs.rmSync(unpacked, { force: true });
  }
}

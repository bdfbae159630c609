/**
 * Takes two checkpoints, of which the later one replaces some pages. `criu dedup` frees these pages in images
 * of memory, and `ghostkeep dedup` frees them in ghosts of the same bytes. Pack and materialize of a dense
 * ghost run beside cp and sync.
 */
import { randomFillSync } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ownCommand } from '../../src/host/native/program-files.js';
import { Budget } from '../budget.js';
import { pageBytes, writeMemory } from '../machine/criu-memory.js';
import type { Filesystem } from '../machine/filesystems.js';
import { timed } from '../machine/timed.js';
import { findInTree, findProgram } from '../machine/tree.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';

const MiB = 1 << 20;
const program = ownCommand();
const peer = 'criu-dedup';

/** Which pages the later checkpoint replaces. */
const patterns: Record<string, (page: number, pages: number) => boolean> = {
  'one-page': page => page === 100,
  'a-quarter': (page, pages) => page < pages / 4,
  'one-in-16': page => page % 16 === 3,
  'one-in-64': page => page % 64 === 3,
};

/** Dense ghosts, in pieces of 16 MiB. */
const densePieces: Record<string, number> = { 'dense-64m': 4, 'dense-1g': 64, 'dense-4g': 256 };
const large = 'dense-4g';

export const historiesSuite: Suite = {
  name: 'histories',
  summary: 'dedup beside criu dedup, and the bytes that each leaves; pack and materialize beside cp',
  needsFilesystems: true,
  async *run(context) {
    const criu = findInTree('criu');
    const names = Object.keys(patterns).filter(context.wants);
    const small = context.quick ? 'dense-64m' : 'dense-1g';
    const dense = context.filesystems.flatMap((filesystem, index) => [
      ...(context.wants(small) ? [{ filesystem, name: small }] : []),
      // The large ghost takes minutes and four times its room, so one file system is enough.
      ...(!context.quick && index === 0 && context.wants(large) ? [{ filesystem, name: large }] : []),
    ]);
    const budget = new Budget(context.budgetMs, context.filesystems.length * names.length + dense.length);
    for (const filesystem of context.filesystems) {
      for (const name of names) {
        const until = budget.next(`${name}, ${filesystem.name}`);
        if (criu && until !== undefined) yield await dedupCell(context, criu, filesystem, name, until);
      }
    }
    for (const { filesystem, name } of dense) {
      const until = budget.next(`${name}, ${filesystem.name}`);
      if (until !== undefined) yield* denseCell(context, filesystem, name, until);
    }
  },
};

/** Makes a file without a name that this process holds. */
function ghostIn(folder: string, content: Buffer): number {
  const name = path.join(folder, 'ghost');
  const fd = fs.openSync(name, 'wx+');
  fs.unlinkSync(name);
  fs.writeSync(fd, content, 0, content.length, 0);
  return fd;
}

const dumpInto = (images: string) =>
  timed([...program, 'dump', '--pid', String(process.pid), '-D', images, '--allow-missing']);

async function dedupCell(
  context: SuiteContext,
  criu: string[],
  { folder, name: filesystem }: Filesystem,
  name: string,
  until: number,
): Promise<Row> {
  context.say(`${name}, ${filesystem}`);
  const size = (context.quick ? 8 : 64) * MiB;
  const before = randomFillSync(Buffer.alloc(size));
  const after = Buffer.from(before);
  const replaces = (page: number) => patterns[name]?.(page, size / pageBytes) ?? false;
  for (let page = 0; page < size / pageBytes; page += 1)
    if (replaces(page)) randomFillSync(after, page * pageBytes, pageBytes);
  const unequal = new Set<string>();
  const bytes: Record<string, number> = {};
  const dataOnly: Record<string, number> = {};
  const [older, newer, to] = ['older', 'newer', 'to'].map(each => path.join(folder, each)) as [
    string,
    string,
    string,
  ];
  const clean = () => {
    for (const each of [older, newer, to]) fs.rmSync(each, { recursive: true, force: true });
  };
  const byUs = () => {
    const fd = ghostIn(folder, before);
    try {
      dumpInto(older);
      fs.writeSync(fd, after, 0, size, 0);
      dumpInto(newer);
    } finally {
      fs.closeSync(fd);
    }
    // Pack and dedup are one command here: if child and parent have no unit in common, a packed child names
    // no parent, and a dedup after it would find none.
    const ms = timed([
      ...program,
      'pack',
      '-D',
      newer,
      ...['--parent', older, '--auto-dedup', '--discard-older'],
    ]);
    bytes[ours] = usedBy([older, newer]);
    dataOnly[ours] = usedBy([older, newer], /\.data$|^ghost-file-/);
    timed([...program, 'restore', '-D', newer, '--to', to]);
    const [file] = fs.readdirSync(to);
    if (!fs.readFileSync(path.join(to, file ?? '')).equals(after)) unequal.add(ours);
    clean();
    return ms;
  };
  const byCriu = () => {
    writeMemory(older, before);
    writeMemory(newer, after, older, replaces);
    const ms = timed([...criu, 'dedup', '--no-default-config', '--images-dir', newer], { cwd: newer });
    bytes[peer] = usedBy([older, newer]);
    dataOnly[peer] = usedBy([older, newer], /^pages-/);
    const left = fs.readFileSync(path.join(older, 'pages-1.img'));
    for (let page = 0; page < size / pageBytes; page += 1)
      if (
        !replaces(page) &&
        left.compare(
          after,
          page * pageBytes,
          (page + 1) * pageBytes,
          page * pageBytes,
          (page + 1) * pageBytes,
        )
      )
        unequal.add(peer);
    clean();
    return ms;
  };
  const samples = await interleave({ [ours]: byUs, [peer]: byCriu }, context.quick ? 1 : 3, until);
  return makeRow({
    suite: 'histories',
    case: `${name} pack and dedup`,
    filesystem,
    state: 'synced',
    samples,
    unequal,
    bytes,
    dataOnly,
  });
}

/** Bytes on disk of the files in the folders: of all, or of those whose names match. */
function usedBy(folders: readonly string[], names = /./): number {
  timed([...(findProgram('sync') ?? ['sync'])]);
  return folders
    .flatMap(folder => fs.readdirSync(folder).map(name => ({ folder, name })))
    .filter(({ name }) => names.test(name))
    .map(({ folder, name }) => fs.lstatSync(path.join(folder, name)))
    .filter(stat => stat.isFile())
    .reduce((sum, { blocks }) => sum + blocks * 512, 0);
}

async function* denseCell(
  context: SuiteContext,
  { folder, name: filesystem }: Filesystem,
  name: string,
  until: number,
): AsyncGenerator<Row> {
  context.say(`${name}, ${filesystem}`);
  const pieces = densePieces[name] as number;
  const piece = randomFillSync(Buffer.alloc(16 * MiB));
  const [older, newer, copy] = ['older', 'newer', 'copy'].map(each => path.join(folder, each)) as [
    string,
    string,
    string,
  ];
  const fd = ghostIn(folder, piece);
  try {
    for (let at = 1; at < pieces; at += 1) {
      piece.writeUInt32LE(at, 0);
      for (let page = 0; page < piece.length; page += pageBytes) piece.writeUInt32LE(at, page + 8);
      fs.writeSync(fd, piece, 0, piece.length, at * piece.length);
    }
    dumpInto(older);
    // A hundredth of each piece changes, at its beginning.
    for (let at = 0; at < pieces; at += 1)
      fs.writeSync(fd, randomFillSync(Buffer.alloc(piece.length / 100)), 0, null, at * piece.length);
    dumpInto(newer);
  } finally {
    fs.closeSync(fd);
  }
  try {
    const image = path.join(newer, 'ghost-file-1.img');
    const packing: number[] = [];
    const samples = await interleave(
      {
        cp: () => {
          const ms = timed(['cp', '--reflink=never', image, copy]) + timed(['sync', copy]);
          fs.rmSync(copy);
          return ms;
        },
        [ours]: () => {
          packing.push(timed([...program, 'pack', '-D', newer, '--parent', older]));
          return timed([...program, 'materialize', newer]);
        },
      },
      context.quick ? 1 : 3,
      until,
    );
    const row = { suite: 'histories', filesystem, state: 'synced', target: 2 };
    yield makeRow({ ...row, case: `${name} materialize`, samples });
    yield makeRow({ ...row, case: `${name} pack`, samples: { ...samples, [ours]: packing } });
  } finally {
    for (const each of [older, newer, copy]) fs.rmSync(each, { recursive: true, force: true });
  }
}

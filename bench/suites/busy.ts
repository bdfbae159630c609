/**
 * The rows of `start` that are measured beside CRIU, on this machine as it is and with eight programs that
 * compute all the time, and the start of the program when none of its files is in the page cache.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findBeside, ownCommand } from '../../src/host/native/program-files.js';
import { Budget } from '../budget.js';
import { findCriu } from '../machine/criu.js';
import { makeFilesystem, removeFilesystem } from '../machine/filesystems.js';
import { missing } from '../machine/missing.js';
import { timed } from '../machine/timed.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { mostGrowth } from '../targets.js';
import { checkpointRows, checkpoints, type Place, restoreRow } from './start.js';

const load = 8;
const names = ['no-ghost', 'one-16k', 'restore', 'cold'] as const;
/** A safeguard: a program that computes ends by itself after this time. */
const computeSeconds = 600;

export const busySuite: Suite = {
  name: 'busy',
  summary: 'checkpoints and restores on a machine with a load of 8, and a start with cold caches',
  needsFilesystems: false,
  async *run(context) {
    const wanted = names.filter(name => context.wants(name));
    // Each name but `cold` is measured twice.
    const budget = new Budget(context.budgetMs, wanted.length * 2);
    const next = (name: string) => budget.next(name);
    yield* byCriu(context, wanted, next);
    if (wanted.includes('cold')) yield* coldRow(context, next('cold') ?? 0);
  },
};

async function* byCriu(
  context: SuiteContext,
  wanted: readonly string[],
  next: (name: string) => number | undefined,
): AsyncGenerator<Row> {
  const criu = findCriu(context.scratch);
  const filesystem = criu && makeFilesystem('tmpfs', path.join(context.scratch, 'busy'));
  if (!filesystem) return;
  try {
    for (const name of wanted.filter(each => each !== 'cold')) {
      const measure = async (state: string) => {
        const until = next(`${name}, ${state}`);
        if (until === undefined) return [];
        return measureRows({ context, criu, folder: filesystem.folder, until, suite: 'busy', state }, name);
      };
      const quiet = await measure('as it is');
      yield* quiet;
      const busy = await besideComputing(() => measure(`load of ${load}`));
      for (const [i, row] of busy.entries()) {
        yield { ...row, target: Math.round((quiet[i]?.ratio ?? 0) * mostGrowth * 1000) / 1000 };
      }
    }
  } finally {
    removeFilesystem(filesystem);
  }
}

async function measureRows(place: Place, name: string): Promise<Row[]> {
  if (name === 'restore') return [await restoreRow(place)];
  const { total, frozen } = await checkpointRows(place, name, checkpoints[name as keyof typeof checkpoints]);
  return [total, frozen];
}

async function besideComputing<Result>(run: () => Promise<Result>): Promise<Result> {
  const computing: ChildProcess[] = [];
  try {
    for (let n = 0; n < load; n += 1) {
      const words = [String(computeSeconds), 'sh', '-c', 'while :; do :; done'];
      computing.push(spawn('timeout', ['--foreground', ...words], { stdio: 'ignore', detached: true }));
    }
    return await run();
  } finally {
    for (const { pid } of computing) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  }
}

/**
 * Measures the start of the executable and of dist/ run by Node.js, with nothing in the page cache. Each runs
 * from a copy that no other process has mapped.
 */
async function* coldRow(context: SuiteContext, until: number): AsyncGenerator<Row> {
  const [executable, bundle] = [findBeside('build', 'ghostkeep'), findBeside('dist', 'ghostkeep.mjs')];
  const node = nodeOf(ownCommand());
  if (!executable || !bundle || !node) {
    missing('cold', 'build/ghostkeep, dist/ or Node.js is not there');
    return;
  }
  context.say('cold');
  const folder = path.join(context.scratch, 'cold');
  fs.cpSync(path.dirname(executable), `${folder}/build`, { recursive: true, filter: isProgramFile });
  fs.cpSync(path.dirname(bundle), `${folder}/dist`, { recursive: true });
  const modules = findBeside('node_modules', 'koffi');
  if (modules) copyKoffi(path.dirname(modules), `${folder}/node_modules`);
  fs.copyFileSync(node, `${folder}/node`);
  fs.copyFileSync(path.join(path.dirname(path.dirname(bundle)), 'package.json'), `${folder}/package.json`);
  const scan = ['scan', '--pid', String(process.pid)];
  const cold = (words: string[]) => () => {
    evict(folder);
    return timed(words);
  };
  const turns = {
    [ours]: cold([`${folder}/build/ghostkeep`, ...scan]),
    'Node.js': cold([`${folder}/node`, `${folder}/dist/ghostkeep.mjs`, ...scan]),
  };
  const samples = await interleave(turns, context.quick ? 3 : 11, until);
  yield makeRow({ suite: 'busy', case: 'scan --pid', filesystem: '', state: 'cold', samples, target: 1 });
}

/** The bench is run by the executable or by Node.js itself. */
function nodeOf([program = '']: readonly string[]): string | undefined {
  if (path.basename(program) === 'node') return fs.realpathSync(program);
  const { stdout } = spawnSync('sh', ['-c', 'command -v node'], { encoding: 'utf8' });
  return stdout.trim() === '' ? undefined : fs.realpathSync(stdout.trim());
}

/** True for a file of the program. The folders in build/ belong to the compiler and to tests. */
function isProgramFile(source: string): boolean {
  return !fs.statSync(source).isDirectory() || path.basename(source) === 'build';
}

function copyKoffi(from: string, to: string): void {
  for (const name of ['koffi', '@koromix']) {
    if (fs.existsSync(`${from}/${name}`)) fs.cpSync(`${from}/${name}`, `${to}/${name}`, { recursive: true });
  }
}

/** Drops the files from the page cache: dd(1) with `nocache` and nothing to copy does that. */
function evict(folder: string): void {
  const script = `sync -f "$1" && find "$1" -type f -exec dd if={} iflag=nocache count=0 status=none \\;`;
  const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot empty the cache: ${stderr}`);
}

/**
 * Measures `ghostkeep scan` beside lsof +L1 and lsfd, as whole commands, over processes that hold many files.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ownCommand } from '../../src/host/native/program-files.js';
import { timedAndWatched } from '../machine/timed.js';
import { findProgram } from '../machine/tree.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { scanTargets } from '../targets.js';

/** Number of each process's descriptors whose file has no name. */
const ghostsEach = 10;
const targetBytes = 200 * 2 ** 20;

interface Size {
  processes: number;
  descriptors: number;
  target?: number;
  /** Every tool looks at these processes alone, and not at the whole machine. */
  byPid?: boolean;
}

export const few: Size = { processes: 1, descriptors: 100, target: scanTargets.few, byPid: true };
export const most: Size = { processes: 100, descriptors: 1000, target: scanTargets.many };
const sizes: readonly Size[] = [
  { processes: 1, descriptors: 100 },
  { processes: 10, descriptors: 1000, target: 0.53 },
  most,
];

export const findSuite: Suite = {
  name: 'find',
  summary: 'ghostkeep scan beside lsof +L1 and lsfd',
  needsFilesystems: false,
  async *run(context) {
    for (const size of context.quick ? sizes.slice(0, 2) : sizes) {
      const name = `${size.processes}x${size.descriptors}`;
      if (context.wants(name)) yield await findCell(context, 'find', name, size);
    }
  },
};

/** @param suite that the row is for */
export async function findCell(context: SuiteContext, suite: string, name: string, size: Size): Promise<Row> {
  context.say(`${name} descriptors`);
  const folder = path.join(context.scratch, `find-${name}`);
  fs.mkdirSync(folder);
  const holders: ChildProcess[] = [];
  try {
    for (let n = 0; n < size.processes; n += 1) holders.push(startHolder(folder, n, size.descriptors));
    const expected = size.processes * ghostsEach;
    const unequal = new Set<string>();
    const turn = (label: string, words: string[], countIn: (output: string) => number) => () => {
      const started = performance.now();
      const { stdout, error } = spawnSync(words[0] as string, words.slice(1), {
        encoding: 'utf8',
        maxBuffer: 1 << 30,
        timeout: 120_000,
      });
      const ms = performance.now() - started;
      if (error) throw error;
      if (countIn(stdout) !== expected) unequal.add(label);
      return ms;
    };
    const pids = size.byPid ? holders.map(({ pid }) => String(pid)) : [];
    const chosen = size.byPid ? pids.flatMap(pid => ['--pid', pid]) : ['--all'];
    const scan = [...ownCommand(), 'scan', ...chosen, '--json'];
    const contenders: Record<string, () => number> = {
      [ours]: turn(
        ours,
        scan,
        output =>
          (JSON.parse(output) as { ghosts: { path: string }[] }).ghosts.filter(({ path }) =>
            path.startsWith(folder),
          ).length,
      ),
    };
    const lines = (output: string) => output.split('\n').filter(line => line.includes(`${folder}/`)).length;
    const lsof = findProgram('lsof');
    if (lsof)
      contenders['lsof +L1'] = turn(
        'lsof +L1',
        [...lsof, '-n', '-P', '+L1', ...(size.byPid ? ['-a', '-p', pids.join()] : [])],
        lines,
      );
    // The suite `start` has targets against lsof alone.
    const lsfd = suite === 'find' ? findProgram('lsfd') : undefined;
    if (lsfd) contenders['lsfd'] = turn('lsfd', [...lsfd, '-u', '-Q', 'DELETED'], lines);
    const samples = await interleave(contenders, context.quick ? 3 : 5);
    // Memory is measured in one more run, because watching takes time.
    const { use } = await timedAndWatched(scan, {}, pid => ({ find: () => pid }));
    return makeRow({
      suite,
      case: name,
      filesystem: '',
      state: '',
      samples,
      unequal,
      target: size.target,
      targetBytes,
      ...(use ? { peakBytes: { [ours]: use.peakBytes } } : {}),
    });
  } finally {
    for (const holder of holders) holder.kill('SIGKILL');
    await Promise.all(holders.map(ended));
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function startHolder(folder: string, n: number, descriptors: number): ChildProcess {
  const fds: number[] = [];
  for (let fd = 0; fd < descriptors; fd += 1) {
    const ghost = fd < ghostsEach;
    const file = path.join(folder, `${n}-${ghost ? `ghost-${fd}` : 'file'}`);
    fds.push(fs.openSync(file, 'a+', 0o600));
    if (ghost) fs.unlinkSync(file);
  }
  try {
    return spawn('/bin/sleep', ['86400'], { stdio: ['ignore', 'ignore', 'ignore', ...fds], detached: true });
  } finally {
    for (const fd of fds) fs.closeSync(fd);
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.on('exit', () => resolve());
  });
}

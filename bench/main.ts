/** `ghostkeep bench` runs the suites in order. Each suite's result is written when the suite is done. */
import fs from 'node:fs';
import path from 'node:path';
import { GhostkeepError } from '../src/base/errors.js';
import { findBeside } from '../src/host/native/program-files.js';
import { suiteMs } from './budget.js';
import { keepBreakpointsReady } from './machine/breakpoints.js';
import { type Filesystem, filesystemNames, makeFilesystem, removeFilesystem } from './machine/filesystems.js';
import { installCommand } from './machine/gate-command.js';
import { describeMachine } from './machine/machine.js';
import { forgetMissing, missing, whatIsMissing } from './machine/missing.js';
import { programVersions } from './machine/tree.js';
import { enterWorld, insideFolder } from './machine/world.js';
import { writeResult } from './report/report.js';
import type { Row } from './report/row.js';
import type { Suite, SuiteContext } from './suite.js';
import { suites } from './suites.js';

export interface BenchOptions {
  suites: readonly string[];
  quick: boolean;
  json: boolean;
  case: readonly string[];
  filesystem: readonly string[];
  results?: string;
  scratch: string;
  /** The command line that all this was read from, to start the same bench inside. */
  args: readonly string[];
  version: string;
}

export const names = suites.map(({ name }) => name);
export const filesystems: readonly string[] = filesystemNames;

/** @returns 0, or 1 when a byte was wrong, a suite failed, or nothing could be compared */
export async function bench(options: BenchOptions): Promise<number> {
  if (process.getuid?.() !== 0) {
    throw new GhostkeepError(
      'PERMISSION',
      'bench',
      'cannot run the bench: file systems are made and mounted, which takes root',
    );
  }
  const scratch = insideFolder();
  return scratch === undefined ? enterWorld(options.args, options.scratch) : runSuites(options, scratch);
}

async function runSuites(options: BenchOptions, scratch: string): Promise<number> {
  const chosen = suites.filter(({ name }) => options.suites.length === 0 || options.suites.includes(name));
  installCommand(scratch);
  const machine = describeMachine(options.version);
  if (!keepBreakpointsReady()) say('the first CRIU to set a breakpoint will wait 10 to 20 ms for the kernel');
  const all: Row[] = [];
  let failed = false;
  for (const suite of chosen) {
    forgetMissing();
    const rows: Row[] = [];
    try {
      for await (const row of runSuite(suite, options, scratch)) rows.push(row);
    } catch (error) {
      // Earlier measurements are kept, and the next suite still runs.
      failed = true;
      say(`${suite.name}: ${(error as Error).stack ?? error}`);
      missing('the rest', `it failed: ${(error as Error).message.split('\n')[0]?.slice(-200)}`);
    }
    all.push(...rows);
    const result = {
      suite: suite.name,
      machine,
      programs: programVersions(),
      quick: options.quick,
      missing: whatIsMissing(),
      rows,
    };
    if (rows.length > 0) writeResult(resultsFolder(options), result);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(all, null, 1)}\n`);
  const wrong = all.filter(({ equal }) => !equal);
  for (const row of wrong)
    say(`WRONG BYTES: ${row.suite} ${row.case}, ${row.filesystem}: ${row.unequal?.join(', ')}`);
  if (all.length === 0) say('nothing was compared');
  return wrong.length > 0 || all.length === 0 || failed ? 1 : 0;
}

/**
 * Runs one suite. File systems are made anew for each, so that files left behind do not slow the next one.
 */
async function* runSuite(suite: Suite, options: BenchOptions, scratch: string): AsyncGenerator<Row> {
  const started = performance.now();
  const made: Filesystem[] = [];
  const folder = path.join(scratch, suite.name);
  fs.mkdirSync(folder);
  if (suite.needsFilesystems) {
    for (const name of filesystemNames) {
      if (options.filesystem.length > 0 && !options.filesystem.includes(name)) continue;
      const filesystem = makeFilesystem(name, folder);
      if (filesystem) made.push(filesystem);
    }
  }
  const context: SuiteContext = {
    quick: options.quick,
    budgetMs: options.quick ? suiteMs.quick : suiteMs.full,
    scratch,
    filesystems: made,
    wants: name => options.case.length === 0 || options.case.includes(name),
    say: line => say(`${suite.name}: ${line}`),
  };
  try {
    for await (const row of suite.run(context)) {
      say(
        `${suite.name}: ${row.case}, ${row.filesystem} ${row.state}: ${row.oursMs} ms, ${row.peer} ${row.peerMs} ms: ${row.ratio}`,
      );
      yield row;
    }
  } finally {
    for (const filesystem of made) removeFilesystem(filesystem);
  }
  say(`${suite.name}: ${Math.round((performance.now() - started) / 1000)} s`);
}

function resultsFolder({ results, quick }: BenchOptions): string {
  const clone = findBeside('bench', 'build-tree');
  const folder = results ?? (clone ? path.join(path.dirname(clone), 'results') : 'ghostkeep-bench');
  return quick && results === undefined ? path.join(folder, 'quick') : folder;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

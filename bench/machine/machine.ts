/** The facts about the machine that a figure depends on. They are written beside it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findBeside } from '../../src/host/native/program-files.js';

export interface Machine {
  date: string;
  ghostkeep: string;
  commit: string;
  processor: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
}

export function describeMachine(version: string): Machine {
  const cpus = os.cpus();
  return {
    date: new Date().toISOString(),
    ghostkeep: version,
    commit: commit(),
    processor: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    node: process.version,
  };
}

/** The commit, followed by + when files differ from it. */
function commit(): string {
  const top = path.dirname(path.dirname(findBeside('bench', 'build-tree') ?? '/'));
  if (!fs.existsSync(path.join(top, '.git'))) return 'none';
  const git = (...args: string[]) =>
    spawnSync('git', ['-c', 'safe.directory=*', '-C', top, ...args], { encoding: 'utf8' }).stdout?.trim() ??
    '';
  const changed = git(
    'status',
    '--porcelain',
    '--',
    'src',
    'native',
    'schemas',
    'bench/*.ts',
    'bench/suites',
  );
  return `${git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : '+'}`;
}

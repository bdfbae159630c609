/** A process that only holds files without a name, and that CRIU dumps easily. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileEquals } from '../content/equal.js';
import { type Pattern, writePattern } from '../content/patterns.js';

export interface Holder {
  pid: number;
  patterns: readonly Pattern[];
  end(): Promise<void>;
}

export type State = 'synced' | 'dirty';
const firstFd = 3;
const endWaitMs = 20_000;
let counter = 0;

/**
 * @param named how many descriptors on a file with a name it has besides
 * @param inside words that start it in a namespace, in the same process
 */
export async function hold(
  folder: string,
  patterns: readonly Pattern[],
  state: State,
  named = 0,
  inside: readonly string[] = [],
): Promise<Holder> {
  const fds = patterns.map(pattern => makeGhost(folder, pattern, state));
  for (let n = 0; n < named; n += 1) fds.push(fs.openSync(path.join(folder, 'named'), 'a+', 0o600));
  const [program = '', ...args] = [...inside, '/bin/sleep', '86400'];
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'ignore', ...fds],
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    detached: true,
  });
  for (const fd of fds) fs.closeSync(fd);
  const exited = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => resolve());
  });
  const pid = child.pid;
  if (pid === undefined) throw (await exited.catch(error => error)) as Error;
  return {
    pid,
    patterns,
    end: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function makeGhost(folder: string, pattern: Pattern, state: State): number {
  counter += 1;
  const file = path.join(folder, `ghost-${counter}`);
  const fd = fs.openSync(file, 'wx+', 0o600);
  writePattern(pattern, file, fd);
  if (state === 'synced') fs.fsyncSync(fd);
  fs.unlinkSync(file);
  return fd;
}

/** A path that opens one of the held files. */
export function heldFile({ pid }: Pick<Holder, 'pid'>, index = 0): string {
  return `/proc/${pid}/fd/${firstFd + index}`;
}

/** Compares the files that the process of this pid holds now, for example after a restore. */
export function heldEquals({ pid, patterns }: Pick<Holder, 'pid' | 'patterns'>): boolean {
  return patterns.every((pattern, index) => {
    const link = heldFile({ pid }, index);
    return fs.statSync(link).nlink === 0 && fileEquals(pattern, link);
  });
}

/** End a process that is not our child. Its parent reaps it. */
export async function endProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  const until = performance.now() + endWaitMs;
  while (fs.existsSync(`/proc/${pid}`)) {
    if (performance.now() > until) throw new Error(`process ${pid} does not end`);
    await sleep(2);
  }
}

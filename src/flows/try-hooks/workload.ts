/** The processes that hold ghosts: ghost-workload, started, stopped and killed as CRIU would do it. */

import { bounds } from '../../base/bounds.js';
import { GhostkeepError } from '../../base/errors.js';
import type {} from '../../base/host/host.js';
import type { Program } from '../../base/host/testbed.js';
import type { TestbedContext } from './testbed-context.js';

const startWaitMs = 60_000;
const stopWaitMs = 10_000;
/** The workload ends after this time, even if this process is killed in a way that it cannot notice. */
const longestLifeMs = 600_000;
const lookEveryMs = 10;

/** One holder, as ghost-workload writes it into DIR/ready. */
export interface Holder {
  kind: string;
  role: 'main' | 'dup' | 'second' | 'child' | 'map' | 'map2' | 'exe';
  pid: number;
  /** -1 for a holder that is no descriptor. */
  fd: number;
  /** Start address of a mapping, hexadecimal. */
  address?: string;
  length?: number;
}

export interface Workload {
  program: string;
  folder: string;
  kinds: readonly string[];
  pid: number;
  holders: Holder[];
}

export function findWorkload({ testbed }: TestbedContext): string {
  const program = testbed.findBeside('build', 'ghost-workload');
  if (program !== undefined) return program;
  throw new GhostkeepError(
    'NATIVE_MISSING',
    'ghost-workload',
    'cannot find build/ghost-workload beside the program: run `npm run build`',
  );
}

export async function startWorkload(
  context: TestbedContext,
  folder: string,
  kinds: readonly string[],
): Promise<Workload> {
  const { host, testbed } = context;
  host.files.makeDirectory(folder);
  // The workload's processes share this page as a file, because poststop could not dump shared anonymous
  // memory.
  testbed.write(`${folder}/page`, Buffer.alloc(4096), 0o600);
  const program = findWorkload(context);
  const running = await testbed.start({
    path: program,
    argv: [program, 'run', folder, ...kinds],
    environment: {},
    cwd: folder,
    waitMs: longestLifeMs,
  });
  await ready(context, running, folder);
  const lines = host.files.read(`${folder}/ready`, bounds.ownParts).toString('utf8').trim().split('\n');
  const holders = lines.map(line => JSON.parse(line) as Holder);
  return { program, folder, kinds, pid: running.pid, holders };
}

async function ready({ host, testbed }: TestbedContext, running: Program, folder: string): Promise<void> {
  let early: string | undefined;
  running.ended.then(
    ({ status, stderr }) => {
      early = `it ended with status ${status}: ${stderr.trim()}`;
    },
    () => {},
  );
  const until = host.clock() + startWaitMs;
  while (!host.files.exists(`${folder}/ready`)) {
    if (early === undefined && host.clock() > until) early = `it was not ready after ${startWaitMs / 1000} s`;
    if (early !== undefined)
      throw new GhostkeepError('IO', folder, `cannot start the workload in ${folder}: ${early}`);
    await testbed.wait(lookEveryMs);
  }
}

/**
 * Stops a whole tree of processes. It looks again and again, because a process may start another one until it
 * is stopped itself.
 * @returns their pids
 */
export async function freeze(context: TestbedContext, pid: number): Promise<number[]> {
  const { host, testbed } = context;
  const until = host.clock() + stopWaitMs;
  for (;;) {
    const pids = host.processes.tree(pid);
    const moving = pids.filter(member => testbed.runState(member) !== 'T');
    if (moving.length === 0) return pids;
    if (host.clock() > until)
      throw new GhostkeepError(
        'DEADLINE',
        String(pid),
        `cannot freeze the workload: process ${moving.join(', ')} is in state ${moving.map(member => testbed.runState(member) ?? 'gone').join(', ')}`,
      );
    for (const member of moving) testbed.signal(member, 'SIGSTOP');
    await testbed.wait(lookEveryMs);
  }
}

/** Kills the processes and waits until they are gone. A zombie counts as gone. */
export async function kill({ host, testbed }: TestbedContext, pids: readonly number[]): Promise<void> {
  const until = host.clock() + stopWaitMs;
  for (const pid of pids) testbed.signal(pid, 'SIGKILL');
  const alive = () => pids.filter(pid => !['Z', 'X', undefined].includes(testbed.runState(pid)));
  while (alive().length > 0) {
    if (host.clock() > until)
      throw new GhostkeepError('DEADLINE', alive().join(), `cannot kill process ${alive().join(', ')}`);
    await testbed.wait(lookEveryMs);
  }
}

/** Freezes processes for a copy of one moment: by the freezer of their cgroup, or with SIGSTOP. */

import { errnoOf, GhostkeepError, translate } from '../../../base/errors.js';
import type { FreezerCgroup, Host } from '../../../base/host/host.js';
import { showSome } from '../../../base/text/show-some.js';
import type { Context } from '../../context.js';
import { startTimeOf } from '../sessions.js';
import type { Frozen } from './frozen.js';
import { noteFrozen, recordPath, thawAll } from './frozen.js';

/**
 * We wait this long at most until all are frozen. A process that waits for a dead server cannot be frozen at
 * all.
 */
const longestMs = 10_000;
const lookEveryMs = 10;

export interface Freeze {
  /** The processes that are frozen. */
  pids: number[];
  /** The path of the record of this freeze: see frozen.ts. */
  record: string;
  thaw(): void;
}

/**
 * Freezes the processes that LOOK finds. Those that are frozen or stopped already stay so at the end.
 * @param what names them in messages, as the user did
 * @throws NOT_FROZEN where one of them still runs after ten seconds; then all go on
 */
export async function freeze(context: Context, what: string, look: () => number[]): Promise<Freeze> {
  const { host } = context;
  const self = host.processes.self();
  const record = recordPath(host);
  const owner = { pid: self, startTime: host.processes.startTime(self) };
  const frozen: Frozen = { version: 1, what, owner, stopped: [] };
  const thaw = () => {
    thawAll(host, frozen);
    host.files.remove(record);
  };
  const pids = look();
  if (pids.includes(self)) throw cannot(what, 'ghostkeep itself is among the processes');
  try {
    const cgroup = cgroupOf(host, pids);
    if (cgroup) await freezeCgroup(host, frozen, record, cgroup);
    else await stopAll(host, frozen, record, look);
    return { pids: look(), record, thaw };
  } catch (error) {
    thaw();
    throw translate(error, 'IO', what, `cannot freeze ${what}`);
  }
}

async function freezeCgroup(
  host: Host,
  frozen: Frozen,
  record: string,
  cgroup: FreezerCgroup,
): Promise<void> {
  const { freezer } = host;
  // Somebody else has frozen the cgroup, and thaws it, too.
  if (freezer.isFrozen(cgroup)) return;
  frozen.cgroup = cgroup;
  noteFrozen(host, record, frozen);
  await until(host, frozen.what, () => {
    // The freezer of version 1 may stop half way, in the state FREEZING. It goes on when it is asked again.
    freezer.freeze(cgroup);
    return freezer.isFrozen(cgroup) ? [] : freezer.members(cgroup);
  });
}

/** A process may have made another before it was stopped, so we look again until none of them runs. */
async function stopAll(host: Host, frozen: Frozen, record: string, look: () => number[]): Promise<void> {
  const { freezer, processes } = host;
  const known = new Set<number>();
  await until(host, frozen.what, () => {
    const running = look().filter(
      pid => !processes.isPaused(pid) && startTimeOf(processes, pid) !== undefined,
    );
    const found = running.filter(pid => !known.has(pid));
    for (const pid of found) {
      known.add(pid);
      const startTime = startTimeOf(processes, pid);
      if (startTime !== undefined) frozen.stopped.push({ pid, startTime });
    }
    if (found.length > 0) noteFrozen(host, record, frozen);
    for (const pid of found) freezer.signal(pid, 'SIGSTOP');
    return running;
  });
}

/**
 * Waits until no process runs any more.
 * @param running finds the processes that still run, and asks the kernel to stop them
 * @throws if one still runs after `longestMs`
 */
async function until({ clock, freezer }: Host, what: string, running: () => number[]): Promise<void> {
  const end = clock() + longestMs;
  for (;;) {
    const left = running();
    if (left.length === 0) return;
    if (clock() >= end)
      throw cannot(what, `process ${showSome(left)} still runs after ${longestMs / 1000} seconds`);
    await freezer.wait(lookEveryMs);
  }
}

/**
 * The cgroup that has these processes and no others. A container has such a cgroup, and a tree of processes
 * may.
 */
function cgroupOf({ freezer }: Host, pids: readonly number[]): FreezerCgroup | undefined {
  const cgroups = pids.flatMap(pid => {
    try {
      return freezer.cgroupOf(pid) ?? [];
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return [];
    }
  });
  const [first] = cgroups;
  if (!first) return undefined;
  const path = commonPath(cgroups.map(each => each.path));
  if (path === '' || cgroups.some(({ root }) => root !== first.root)) return undefined;
  const cgroup = { ...first, path };
  return freezer.members(cgroup).every(pid => pids.includes(pid)) ? cgroup : undefined;
}

/** `/a/b` for `/a/b/c` and `/a/b/d`; empty where only the root is common. */
function commonPath(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map(path => path.split('/'));
  const end = first.findIndex((part, at) => others.some(other => other[at] !== part));
  return (end < 0 ? first : first.slice(0, end)).join('/');
}

function cannot(what: string, why: string): GhostkeepError {
  return new GhostkeepError('NOT_FROZEN', what, `cannot freeze ${what}: ${why}`);
}

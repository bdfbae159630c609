/** Processes and their threads, as /proc shows them. */
import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import { isFrozen } from './freezer.js';

/** PID and all its descendants that exist now. */
export function treeOf(pid: number): number[] {
  const found = [pid];
  for (const parent of found) {
    for (const child of childrenOf(parent)) if (!found.includes(child)) found.push(child);
  }
  return found;
}

/**
 * Source: proc_pid_task(5), task/TID/children. A thread that ends meanwhile shows no children; the other
 * threads still show theirs.
 */
function childrenOf(pid: number): number[] {
  const tids = ifThere(() => fs.readdirSync(`/proc/${pid}/task`)) ?? [];
  return tids.flatMap(tid => {
    const text = ifThere(() => fs.readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1'));
    return numbers(text?.split(' ') ?? []);
  });
}

/**
 * Is this thread stopped or frozen? A tracer may stop one thread and let others run, and threads may be in
 * cgroups of their own.
 */
export function standsStill(thread: string): boolean {
  const state = ifThere(() => statFields(thread)[0]);
  if (state === undefined || stopped.has(state)) return true;
  return isFrozen(ifThere(() => fs.readFileSync(`${thread}/cgroup`, 'utf8')) ?? '');
}

/**
 * A thread in one of these states is stopped by a signal or a tracer, or has ended. Source: proc_pid_stat(5)
 */
const stopped = new Set(['T', 't', 'Z', 'X']);

/**
 * Fields 3 and later of FOLDER/stat. They begin after the last ")", because the name in field 2 may contain
 * anything.
 */
export function statFields(folder: string): string[] {
  const text = fs.readFileSync(`${folder}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/**
 * The first number of a field of /proc/PID/status. A process cannot forge a line: the kernel escapes newlines
 * in its name. Source: proc_pid_status(5)
 */
export function statusField(pid: number, name: 'TracerPid' | 'Uid'): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
  const value = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1];
  if (value === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
  return Number(value);
}

/** @returns undefined where the process or thread has ended */
export function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

export function numbers(names: string[]): number[] {
  return names
    .filter(name => /^[0-9]+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** See ProcessView.privateMemory. A process that has ended has no such fields. Source: proc_pid_status(5) */
export function privateMemory(pid: number): bigint {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
  const kib = [...status.matchAll(/^(?:RssAnon|VmSwap):\s*(\d+) kB$/gm)].map(([, digits]) => Number(digits));
  return kib.reduce((sum, each) => sum + BigInt(each) * 1024n, 0n);
}

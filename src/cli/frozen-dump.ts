/**
 * `dump --freeze`: one process freezes the chosen processes, and its child copies. The child may be killed,
 * run out of memory or hang on a silent server. However it ends, its parent is there to thaw.
 */
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { freeze } from '../flows/container/pause/freeze.js';
import { recordVariable, thawForgotten } from '../flows/container/pause/frozen.js';
import type { Context } from '../flows/context.js';
import { type Selection, selectPids } from '../flows/scan/select.js';
import { ownCommand } from '../host/native/program-files.js';
import { makeContext } from './context.js';
import { Parent } from './ending/parent.js';
import { line } from './print/line.js';

/** @param args the arguments of the `dump` command, which the child gets, too */
export async function dumpFrozen(
  context: Context,
  chosen: Selection,
  args: readonly string[],
): Promise<number> {
  const what = nameOf(chosen);
  const parent = new Parent();
  try {
    const { pids, record, thaw } = await freeze(context, what, () => selectPids(context.host, chosen));
    let isFrozen = true;
    const thawOnce = () => {
      if (!isFrozen) return;
      thaw();
      isFrozen = false;
    };
    const thawEarly = () => {
      try {
        thawOnce();
      } catch {
        // The `finally` below thaws again, and an error can be reported there.
      }
    };
    process.on(copied, thawEarly);
    try {
      // A signal that came meanwhile is reported when the event loop next looks for one.
      await nextTurn();
      await nextTurn();
      if (parent.signal !== undefined) {
        process.stderr.write(line(`ghostkeep: ${parent.signal}: ${what} goes on, and nothing is dumped`));
        return 128 + constants.signals[parent.signal];
      }
      const named = pids.flatMap(pid => ['--pid', String(pid)]);
      const words = [...ownCommand(), 'dump', ...withoutSelection(args), ...named];
      return await parent.run(words, { [recordVariable]: record });
    } finally {
      process.off(copied, thawEarly);
      thawOnce();
    }
  } finally {
    parent.end();
  }
}

/** The signal by which the child tells its parent that everything is copied. */
const copied = 'SIGUSR2';

/**
 * Tells the parent to thaw. Called when everything is copied, or nothing will be, and before anything is
 * printed: a reader of the output may be slow, and the frozen processes must not wait for it.
 */
export function tellCopied(): void {
  // The record's name has the pid of the process that has frozen. If that process was killed, our parent is
  // another one, which must not get the signal.
  if (isOfFrozen() && process.env[recordVariable]?.includes(`/${process.ppid}-`))
    process.kill(process.ppid, copied);
}

/** True in the child, which copies while its parent keeps the chosen processes frozen. */
export const isOfFrozen = () => process.env[recordVariable] !== undefined;

/**
 * Thaws what is left frozen if the parent was killed, because then nobody else does. Called in the child when
 * it is done.
 */
export function thawAfterOwner(): void {
  if (isOfFrozen()) thawForgotten(makeContext(), process.pid);
}

function withoutSelection(args: readonly string[]): string[] {
  const rest: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const [name] = (args[at] as string).split('=');
    if (name === '--freeze') continue;
    if (['--pid', '--tree', '--container', '--cgroup'].includes(name as string))
      at += Number(args[at] === name);
    else rest.push(args[at] as string);
  }
  return rest;
}

function nameOf({ container, cgroup, tree, pids = [] }: Selection): string {
  if (container !== undefined) return `container ${container}`;
  if (cgroup !== undefined) return `cgroup ${cgroup}`;
  return `process ${tree ?? pids.join(', ')}`;
}

/**
 * `dump --freeze`: one process freezes, and another copies. However the one that copies ends (killed, out of
 * memory, caught by a server that is silent), the first one is there to thaw.
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

/** @param args those of the dump */
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
        // It is tried again at the end, where an error can be reported.
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

/** The one that copies sends this to the one that has frozen. */
const copied = 'SIGUSR2';

/**
 * Called when everything is copied, or nothing will be, and nothing is printed yet. A reader of the output
 * may be slow, and the frozen processes must not wait for it.
 */
export function tellCopied(): void {
  // The parent's pid is in the name of the record. Somebody else is our parent if that process was killed.
  if (isOfFrozen() && process.env[recordVariable]?.includes(`/${process.ppid}-`))
    process.kill(process.ppid, copied);
}

/** Is this process the one that copies, while another keeps the processes frozen? */
export const isOfFrozen = () => process.env[recordVariable] !== undefined;

/** Called when the one that copies is done: if the one that has frozen was killed, nobody else thaws. */
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

import fs from 'node:fs';
import { pausedFolder } from '../flows/container/pause/paused-folder.js';

/**
 * `hook` and `gate` run while a container is frozen or created, so they must be fast. `doctor` shows what is
 * left paused, and lets it go on when it is told to. A user who looks for what went wrong runs one of the
 * others first.
 */
const passedOver = new Set(['hook', 'gate', 'doctor']);

/** Runs before command NAME: what a killed checkpoint or dump has left paused or frozen goes on. */
export async function resumeForgotten(name: string): Promise<void> {
  if (passedOver.has(name) || isEmpty(pausedFolder(process.getuid?.() ?? 0))) return;
  const { makeContext } = await import('./context.js');
  const paused = await import('../flows/container/pause/paused.js');
  const frozen = await import('../flows/container/pause/frozen.js');
  const context = makeContext();
  await paused.resumeForgotten(context);
  frozen.thawForgotten(context);
}

function isEmpty(folder: string): boolean {
  try {
    return fs.readdirSync(folder).length === 0;
  } catch {
    return true;
  }
}

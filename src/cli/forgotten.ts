import fs from 'node:fs';
import { isMarkName, recordsFolder } from '../flows/bases/records-folder.js';
import { pausedFolder } from '../flows/container/pause/paused-folder.js';

/** These commands run while a container is frozen or created, so they must be fast. */
const passedOver = new Set(['hook', 'gate', 'carry']);

/**
 * Runs before command NAME. It resumes or thaws what a killed checkpoint or dump has left paused or frozen,
 * and starts the watchers of bases again. Before `doctor` it only starts the watchers: `doctor` itself shows
 * what is paused or frozen, and resumes or thaws it with --clean. Before `hook`, `gate` and `carry` it does
 * nothing. All other commands wait for it, because a user who looks for what went wrong runs one of them
 * before long.
 */
export async function resumeForgotten(name: string): Promise<void> {
  if (passedOver.has(name)) return;
  const uid = () => process.getuid?.() ?? 0;
  const mayBePaused = name !== 'doctor' && list(pausedFolder(uid())).length > 0;
  const mayLackWatch = list(recordsFolder({ uid })).some(isMarkName);
  if (!mayBePaused && !mayLackWatch) return;
  const { makeContext } = await import('./context.js');
  const context = makeContext();
  if (mayBePaused) {
    const paused = await import('../flows/container/pause/paused.js');
    const frozen = await import('../flows/container/pause/frozen.js');
    await paused.resumeForgotten(context);
    frozen.thawForgotten(context);
  }
  if (mayLackWatch) (await import('../flows/bases/watch-room.js')).watchAgain(context);
}

function list(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

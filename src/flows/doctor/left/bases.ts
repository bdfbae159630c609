/** Bases of `ghostkeep pre-dump` on this host, and whether anybody still comes for them. */
import type { BasesOfFolder as BasesRecord } from '../../../base/documents/generated/doctor.js';
import { countToJson } from '../../../base/units.js';
import {
  type BasesOfFolder,
  listBases,
  removeBases,
  removeEnded,
  removeRough,
} from '../../bases/leftover-bases.js';
import { watchAgain } from '../../bases/watch-room.js';
import type { Context } from '../../context.js';

/**
 * @param images a directory to look at besides those that records lead to: after a reboot there is no record
 * @param clean remove what nobody comes for
 */
export function findBases(
  context: Context,
  { images, clean }: { images?: string; clean: boolean },
): BasesRecord[] {
  const where = images === undefined ? undefined : context.host.files.realPath(images);
  const before = listBases(context, where);
  if (!clean) return before.map(found => toRecord(found, found));
  removeEnded(context);
  for (const { folder, pids } of before)
    if (pids.length === 0) removeBases(context, folder);
    else removeRough(context, folder);
  watchAgain(context);
  const after = new Map(listBases(context, where).map(found => [found.folder, found]));
  return before.map(found => toRecord(found, after.get(found.folder)));
}

/** @param after the same folder now: a base that somebody writes stays */
function toRecord({ folder, container, pids, bases }: BasesOfFolder, after?: BasesOfFolder): BasesRecord {
  const left = after?.bases ?? [];
  const shown = left.length > 0 ? left : bases;
  const state = pids.length > 0 ? 'awaited' : left.length > 0 || bases.length === 0 ? 'left-over' : 'removed';
  return {
    folder,
    ...(container === undefined ? {} : { container }),
    count: shown.length,
    bytes: countToJson(shown.reduce((sum, { bytes }) => sum + bytes, 0n)),
    state,
    pids,
  };
}

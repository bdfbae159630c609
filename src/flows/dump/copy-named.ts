/** Copies files of a shared /dev/shm: see pin-named.ts. */

import { availableParallelism } from 'node:os';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import { parseIdMaps } from '../../base/id-map.js';
import { inParallel } from '../../base/parallel.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { linkedName } from '../../image/layout.js';
import { EntryRoom } from '../choose/entry-room.js';
import { chooseFitting, type PinnedNamed } from '../choose/pin-named.js';
import { refuseUnkept, type Unkept, unkeptEntry, unkeptOf } from '../choose/shared-shm.js';
import type { Context } from '../context.js';
import { dataAtMost } from '../steps.js';
import { leaveReserve } from './copy-all.js';
import { copySmall } from './copy-batch.js';
import { type Copy, type CopyTarget, copyGhost } from './copy-one.js';
import { describeGhost } from './describe.js';
import { startState } from './describe-again.js';
import type { DumpRequest } from './journal.js';

/** Call this when all ghosts are copied. Afterwards the journal has the files that could be copied. */
export async function copyNamed(
  context: Context,
  request: DumpRequest,
  journal: Manifest,
  named: readonly PinnedNamed[],
): Promise<void> {
  const copies = describeNamed(context, request, journal, chooseFitting(context, request, named));
  const leave: Leave = (file, cause) => refuseUnkept(context, request, file, cause);
  if (copies.length === 0 || !hasReserve(context, request, journal, copies, leave)) return;
  for (const { entry } of await copyWhatCanBe(context, request, copies, leave)) journal.ghosts.push(entry);
}

/** Takes a file that was not copied; it may throw, which ends the dump. */
export type Leave = (file: Unkept, cause: unknown) => void;

/**
 * Copies as many of COPIES as can be copied, and calls LEAVE for the others.
 * @returns the copies that were made
 */
export async function copyWhatCanBe(
  context: Context,
  target: CopyTarget,
  copies: readonly Copy[],
  leave: Leave,
): Promise<Copy[]> {
  const failed = new Set<Copy>();
  context.progress?.begin({
    what: 'copying a shared /dev/shm',
    item: 'file',
    items: copies.length,
    bytes: () => dataAtMost(copies),
  });
  await inParallel(copySmall(context, copies, target), availableParallelism(), async copy => {
    try {
      const data = await copyGhost(context, copy, target);
      copy.entry = { ...copy.entry, data };
    } catch (error) {
      if (!(error instanceof GhostkeepError)) throw error;
      failed.add(copy);
      leave(unkeptEntry(copy.entry), error);
    }
    context.progress?.did();
  });
  const copied = copies.filter(copy => !failed.has(copy));
  const bytes = copied.reduce((sum, { entry: { data } }) => sum + countFromJson(data?.bytes ?? 0), 0n);
  context.log.info(
    `copied ${counted(copied.length, 'file')} of a shared /dev/shm: ${showBytes(bytes)} of data`,
  );
  return copied;
}

/** Those of NAMED that can be described, with entries that the journal does not have yet. */
export function describeNamed(
  context: Context,
  request: DumpRequest,
  journal: Manifest,
  named: readonly PinnedNamed[],
): Copy[] {
  const { images } = request;
  if (!journal.idMaps) return [];
  const [ids, dump] = [parseIdMaps(journal.idMaps), startState(journal)];
  const room = new EntryRoom(context, request);
  return named.flatMap((pin, index): Copy[] => {
    const { ghost, fd, stat, warm } = pin;
    const id = journal.ghosts.length + index + 1;
    try {
      const entry = describeGhost(context, pin, ids, id, linkedName(id));
      if (!room.hasFor(entry)) return [];
      const over = warm !== undefined && hasMoved(context, `${images}/${warm}`, `${images}/${entry.image}`);
      return [{ entry, fd, stat, dump, over }];
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      refuseUnkept(context, request, unkeptOf(ghost), error);
      return [];
    }
  });
}

/**
 * @returns false if the image is gone: where the disk is full, the warm pass or the watcher of bases has
 * removed it
 */
function hasMoved({ host: { files } }: Context, image: string, name: string): boolean {
  try {
    files.rename(image, name);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

/**
 * Sets aside the room that sealing needs. Where there are ghosts, copyAll has done that already.
 * @returns false if there is no room; then LEAVE was called for all of COPIES
 */
function hasReserve(
  context: Context,
  { images, policy }: DumpRequest,
  { ghosts }: Manifest,
  copies: readonly Copy[],
  leave: Leave,
): boolean {
  if (ghosts.length > 0) return true;
  try {
    leaveReserve(context, images, policy);
    return true;
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    for (const { entry } of copies) leave(unkeptEntry(entry), error);
    return false;
  }
}

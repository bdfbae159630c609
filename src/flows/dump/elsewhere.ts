/** A dump whose content does not go into the image directory. */
import type { Manifest } from '../../base/documents/generated/manifest.js';
import type { PinnedNamed } from '../choose/pin-named.js';
import type { Context } from '../context.js';
import { leaveReserve } from './copy-all.js';
import { describeNamed } from './copy-named.js';
import type { Copy, Elsewhere } from './copy-one.js';
import type { DumpRequest } from './journal.js';

/**
 * Hands the ghosts of JOURNAL and the named files to ELSEWHERE, which sends them to a receiver. Then the
 * journal says where they are, and lists the named files that were sent.
 * @param copies of the journal's ghosts
 * @param named the open files of a shared /dev/shm that have their names
 */
export async function takeElsewhere(
  context: Context,
  request: DumpRequest,
  elsewhere: Elsewhere,
  journal: Manifest,
  { copies, named }: { copies: readonly Copy[]; named: readonly PinnedNamed[] },
): Promise<void> {
  const more = describeNamed(context, request, journal, named);
  const taken = await elsewhere.take(context, request, [...copies, ...more]);
  journal.ghosts = copies.map(({ entry }) => entry);
  for (const copy of more) if (taken.has(copy)) journal.ghosts.push(copy.entry);
  if (journal.ghosts.length === 0) return;
  journal.moved = elsewhere.moved();
  leaveReserve(context, request.images, request.policy);
}

/** Sends the ghosts of a dump to a receiver instead of storing them in the image directory. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { EngineReport } from '../../base/host/host.js';
import { counted } from '../../base/text/counted.js';
import { showBytes } from '../../base/units.js';
import { identityOf } from '../../image/layout.js';
import { type DumpOf, refuseUnkept, unkeptEntry } from '../choose/shared-shm.js';
import type { Context } from '../context.js';
import {
  type Copy,
  type CopyTarget,
  changed,
  describeCopy,
  type Elsewhere,
  hasChanged,
  isUnchanged,
  startAnew,
  toData,
} from '../dump/copy-one.js';
import { nameOf } from '../dump/describe.js';
import { dataAtMost } from '../steps.js';
import type { Mover, SendGhost } from './mover.js';

/** How often a ghost is sent that somebody writes to meanwhile: as often as a dump copies one. */
const attempts = 3;

/** Where the content of a dump goes if MOVER, which is connected, sends it to a receiver. */
export function sendElsewhere(mover: Mover): Elsewhere {
  return {
    moved: () => ({ receiver: mover.receiver, to: mover.target.shown, dump: mover.dump }),
    take: (context, target, copies) => sendCopies(context, mover, target, copies),
  };
}

async function sendCopies(
  context: Context,
  mover: Mover,
  target: CopyTarget & DumpOf,
  copies: readonly Copy[],
): Promise<ReadonlySet<Copy>> {
  let [bytes, before] = [0n, 0n];
  const taken = new Set<Copy>();
  await mover.sendAll(
    { count: copies.length, bytes: () => dataAtMost(copies) },
    async (send, index) => {
      const copy = copies[index] as Copy;
      taken.delete(copy);
      const report = await sendOrLeave(context, send, target, copy);
      if (!report) return;
      taken.add(copy);
      bytes += report.differingBytes;
      before += report.keptBytes;
      copy.entry.data = { ...toData(context, copy, report), imageBytes: 0, ways: [] };
      copy.entry.moved = { key: identityOf(copy.stat), header: headerOf(copy, target) };
    },
    () => [...taken].map(({ stat }) => identityOf(stat)),
  );
  context.log.info(
    `sent ${counted(copies.length, 'ghost')} to ${mover.target.shown}: ${showBytes(bytes)}, and ${showBytes(before)} were there before`,
  );
  return taken;
}

/**
 * Sends one ghost or named file. @returns undefined for a named file that cannot be sent and that the dump
 * may lack
 */
async function sendOrLeave(
  context: Context,
  send: SendGhost,
  target: CopyTarget & DumpOf,
  copy: Copy,
): Promise<EngineReport | undefined> {
  try {
    return await sendUnchanged(context, send, target, copy);
  } catch (error) {
    const isOurs = !(error instanceof GhostkeepError) || error.code === 'MOVE_REFUSED';
    if (isOurs || copy.entry.class !== 'named') throw error;
    refuseUnkept(context, target, unkeptEntry(copy.entry), error);
    return undefined;
  }
}

const headerOf = (copy: Copy, { policy }: CopyTarget) =>
  Buffer.from(describeCopy(copy, policy).header).toString('base64');

async function sendUnchanged(
  context: Context,
  send: SendGhost,
  { policy, criu }: CopyTarget,
  copy: Copy,
): Promise<EngineReport> {
  const { processes } = context.host;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { fd, stat, entry } = copy;
      const report = await send(fd, stat.size, identityOf(stat), policy.engine);
      if (isUnchanged(stat, processes.statPin(fd))) return report;
      throw changed(entry, criu);
    } catch (error) {
      const named = nameFailure(copy.entry, error);
      const isChanged = named instanceof GhostkeepError && named.code === 'GHOST_CHANGED';
      if (!isChanged || attempt === attempts) throw named;
      startAnew(context, copy, hasChanged);
    }
  }
}

/**
 * Names the ghost in an error about it. An error of the connection is passed on as it is, because the mover
 * connects again.
 */
function nameFailure(entry: ManifestGhost, error: unknown): unknown {
  if (errnoOf(error) === undefined) return error;
  return translate(error, 'IO', `${entry.dev}/${entry.ino}`, `cannot send ${nameOf(entry)}`);
}

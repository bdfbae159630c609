/** Poststop's work on an image directory: it confirms the seal, seals again, or dumps and seals by itself. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { Files, ProcessView } from '../../base/host/host.js';
import { countGhosts } from '../../image/count-ghosts.js';
import { holdsDump, readJournal, readManifest } from '../../image/manifest.js';
import { findBases } from '../bases/bases.js';
import { assertMayReplace } from '../chain/children.js';
import { assertNothingMissing } from '../choose/left-out.js';
import { policyOfSession } from '../container/policy.js';
import type { Session } from '../container/sessions.js';
import type { Context } from '../context.js';
import { assertNoImages } from '../directory/other-images.js';
import { asOwner, holderOf } from '../directory/owner.js';
import { imageMode } from '../dump/copy-one.js';
import { dumpGhosts } from '../dump/dump.js';
import { WarmImages } from '../dump/warm-images.js';
import { sealImages } from '../seal/seal.js';

/** How long killed processes may take to end, and how often we look at them. */
const [endsWithinMs, lookEveryMs] = [1000, 20];

export async function confirmSeal(
  context: Context,
  container: string,
  session: Session | undefined,
  images: string,
): Promise<void> {
  await asOwner(context, images, owned => confirmAsOwner(context, container, session, owned), {
    waitMs: 10_000,
  });
}

async function confirmAsOwner(
  context: Context,
  container: string,
  session: Session | undefined,
  images: string,
): Promise<void> {
  const { host, log } = context;
  const fields = { container };
  const where = host.files.realPath(images);
  const holder = holderOf(context, images);
  if (holder !== undefined && readJournal(host.files, images)?.state === 'pinned') {
    log.info(`${where}: left to process ${holder}, which holds the ghosts and seals them`, fields);
    return;
  }
  const pid = session && stillThere(host.processes, session);
  if (holdsDump(host.files, images) && !(pid && isAlone(host.files, images))) {
    const { manifest, now } = sealImages(context, images, { durable: true });
    log.info(`${where}: ${countGhosts(manifest)}, ${now ? 'sealed now' : 'sealed before'}`, fields);
    if (session && manifest.criu) await assertEnds(host.processes, session, where);
    if (now) assertNothingMissing(manifest, where, policyOfSession(context, session));
    return;
  }
  // A program that works without CRIU calls poststop while the processes are frozen and can still be dumped.
  if (!pid || !host.files.exists(images)) return;
  assertMayReplace(context, images);
  assertNoImages(context, images);
  const policy = policyOfSession(context, session);
  const pids = host.processes.tree(pid);
  const bases = findBases(context, images, pids, {
    mode: imageMode({ criu: false }),
    reserve: policy.reserve,
  });
  const warm = new WarmImages(host.files, images, log, bases);
  let manifest: Manifest;
  try {
    await dumpGhosts(context, { images, pids, policy, container, criu: false, warm });
    ({ manifest } = sealImages(context, images, { durable: true }));
  } finally {
    bases.letGo();
  }
  log.info(`${where}: ${countGhosts(manifest)} dumped and sealed`, fields);
  assertNothingMissing(manifest, where, policy);
}

/** True for a sealed dump without CRIU. If its processes are still there, the caller wants a new dump. */
function isAlone(files: Files, images: string): boolean {
  return !readJournal(files, images) && readManifest(files, images).criu !== true;
}

/**
 * Waits for the end of the container's first process, for a second. CRIU kills the processes that it has
 * checkpointed, unless it was told to leave them running, and they end a moment later. If the first still
 * lives then, the processes may have written since the checkpoint, and whoever called poststop is about to
 * end them. A dump of them here would replace CRIU's images, so we refuse.
 * @throws BAD_INPUT
 */
async function assertEnds(processes: ProcessView, session: Session, where: string): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    const pid = stillThere(processes, session);
    if (pid === undefined) return;
    if (waitedMs >= endsWithinMs)
      throw new GhostkeepError(
        'BAD_INPUT',
        where,
        `cannot take the checkpoint in ${where} for the last of ${session.container}: process ${pid} of ${session.container} lives, so CRIU has left it running and it may have written since; freeze its processes, and \`ghostkeep dump --pid N… -D DIR\` them into another directory`,
      );
    await sleep(lookEveryMs);
  }
}

/**
 * @returns the pid of the container's process if it still lives. A zombie, which nobody has waited for yet,
 * does not count: it has no open file any more
 */
function stillThere(processes: ProcessView, { pid, startTime }: Session): number | undefined {
  try {
    if (pid === undefined || processes.startTime(pid) !== startTime) return undefined;
    processes.readLink(pid, 'exe');
    return pid;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

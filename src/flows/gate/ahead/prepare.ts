/** Prepares the entries of many small ghosts while their processes still run (flows/prepared/prepared.ts). */
import type { ManifestGhost } from '../../../base/documents/generated/manifest.js';
import { reasonOf } from '../../../base/errors.js';
import type { EngineReport } from '../../../base/host/host.js';
import { silent } from '../../../base/log.js';
import { encodeExternalFiles, planSeal } from '../../../criu/seal-plan.js';
import { sealedName } from '../../../image/layout.js';
import { encodeJournal, keepTexts } from '../../../image/manifest.js';
import { chooseGhosts, needsCopy } from '../../choose/choose.js';
import { type PinnedGhost, pinGhosts, unpinGhosts } from '../../choose/pin.js';
import type { Context } from '../../context.js';
import { toCopies } from '../../dump/copy-all.js';
import { dumpTogether, inBatches, isSmallFile } from '../../dump/copy-batch.js';
import { type Copy, describeCopy, isUnchanged, mayHaveUnwritten, toData } from '../../dump/copy-one.js';
import { comesBackByName, toExternal } from '../../dump/describe.js';
import { type DumpRequest, keysOfJournal, makeJournal } from '../../dump/journal.js';
import type { WarmImages } from '../../dump/warm-images.js';
import { externalOf, factsOf, Prepared } from '../../prepared/prepared.js';
import { SearchedBefore } from '../../prepared/search-again.js';

/** The code that is first used in the freeze runs this many times before, until it is machine code. */
const rehearsals = 3;
/** No rehearsal begins more than this time after the first, because the checkpoint waits. */
const mostMs = 500;

/** More ghosts are not prepared, because each takes some 3 KB of memory. */
const mostGhosts = 4000;

/** @returns undefined where nothing could be prepared; the dump then does all of it */
export function prepare(context: Context, request: DumpRequest & { warm: WarmImages }): Prepared | undefined {
  try {
    const prepared = prepareAll({ ...context, log: silent }, request);
    if (prepared && prepared.count > 0) rehearseAgain(context, { ...request, prepared });
    return prepared;
  } catch (error) {
    context.log.info(`nothing is prepared before the freeze: ${reasonOf(error)}`);
    return undefined;
  }
}

function prepareAll(context: Context, request: DumpRequest & { warm: WarmImages }): Prepared | undefined {
  const { processes } = context.host;
  const { pids, policy, warm } = request;
  const memory = new Map<string, unknown>();
  const searched = new SearchedBefore(processes, pids, memory, context.alive);
  if (!searched.canRepeat) return undefined;
  const { chosen } = chooseGhosts(context, searched.found, { policy, criu: true });
  if (chosen.length > mostGhosts) return undefined;
  const pinned = pinGhosts(processes, chosen.filter(needsCopy), undefined, context.alive, memory);
  try {
    const earlier = warmOf(pinned, warm);
    const journal = makeJournal(context, request, pinned, {}, earlier);
    const prepared = new Prepared(memory, searched, journal.idMaps ?? { uid: '', gid: '' });
    const copies = toCopies(pinned, journal, earlier);
    const kept: ManifestGhost[] = [];
    // With digests each ghost is copied alone, and gets another entry.
    const ready =
      policy.verify === 'digest' ? undefined : copyAgain(context, { ...request, prepared }, copies);
    for (const [index, { ghost, hasXattrs }] of pinned.entries()) {
      const copy = copies[index] as Copy;
      const report = ready?.get(copy);
      // Attributes have values that no answer about the pin shows.
      if (!report || hasXattrs !== false || comesBackByName(ghost)) continue;
      if (mayHaveUnwritten(copy, report)) continue;
      const entry = { ...copy.entry, data: toData(context, copy, report) };
      const sealed = { ...entry, image: sealedName(entry.image, entry.id) };
      prepared.add(ghost, entry, {
        stat: copy.stat,
        header: describeCopy(copy, policy).header,
        report,
        sealed,
        external: toExternal(sealed),
      });
      kept.push(entry, sealed);
    }
    keepTexts(journal, kept);
    return prepared;
  } finally {
    unpinGhosts(processes, pinned);
  }
}

type PreparedRequest = DumpRequest & { warm: WarmImages; prepared: Prepared };

/**
 * Does what the dump will do if nothing changes. A rehearsal fails if the container closes a ghost meanwhile,
 * and what is prepared stays.
 */
function rehearseAgain(context: Context, request: PreparedRequest): void {
  const { clock } = context.host;
  const quiet = { ...context, log: silent };
  const until = clock() + mostMs;
  try {
    for (let round = 0; round < rehearsals && clock() < until; round += 1) rehearseOnce(quiet, request);
  } catch (error) {
    context.log.debug(`the rehearsal failed: ${reasonOf(error)}`);
  }
}

function rehearseOnce(context: Context, request: PreparedRequest): void {
  const { processes } = context.host;
  const { pids, policy, prepared, warm } = request;
  const found = prepared.search(context, pids);
  const { chosen } = chooseGhosts(context, found, { policy, criu: true });
  const copied = chosen.filter(needsCopy);
  const pinned = pinGhosts(processes, copied, undefined, context.alive, prepared.memory);
  try {
    const earlier = warmOf(pinned, warm);
    const journal = makeJournal(context, request, pinned, {}, earlier);
    copyAgain(context, request, toCopies(pinned, journal, earlier));
    encodeJournal(journal);
    const files = encodeExternalFiles(keysOfJournal(journal));
    const sealed = journal.ghosts.flatMap(ghost => factsOf(ghost)?.sealed ?? []);
    planSeal(
      files,
      undefined,
      sealed.flatMap(ghost => externalOf(ghost) ?? []),
      { mountNamespace: true },
    );
  } finally {
    unpinGhosts(processes, pinned);
  }
}

/** The warm image of each ghost: ghosts come and go, so a search has a list of its own. */
function warmOf(pinned: readonly PinnedGhost[], warm: WarmImages): (string | undefined)[] {
  return pinned.map(({ ghost, stat }) => (ghost.class === 'linked' ? undefined : warm.imageOf(stat)));
}

/**
 * Copies the small ghosts that have warm images over these, as the dump will do, so that the reports are
 * those that the dump gets if nothing changes.
 */
function copyAgain(context: Context, request: DumpRequest, copies: readonly Copy[]): Map<Copy, EngineReport> {
  const ready = new Map<Copy, EngineReport>();
  // The dump makes its batches of all small ghosts.
  for (const batch of inBatches(copies.filter(({ stat }) => isSmallFile(stat)))) {
    if (!batch.every(({ over }) => over)) continue;
    const results = dumpTogether(context, batch, request);
    for (const [index, copy] of batch.entries()) {
      const result = results[index];
      if (result && 'report' in result && isUnchanged(copy.stat, result.after))
        ready.set(copy, result.report);
    }
    context.alive?.();
  }
  return ready;
}

/**
 * Dumps a small file of our own, before anything is frozen. V8 compiles a function when it is first called,
 * and the native library is loaded at its first call, so what is slow only once is done before the freeze
 * (decision 0006). If there are many ghosts, and no entry of them could be prepared, we rehearse the work for
 * some of them (decision 0008).
 */

import { reasonOf } from '../../base/errors.js';
import { silent } from '../../base/log.js';
import { encodeExternalFiles, planSeal } from '../../criu/seal-plan.js';
import type { Ghost } from '../../ghost/ghost.js';
import { folder } from '../../image/layout.js';
import { encodeJournal } from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import { type PinnedGhost, pinSome, unpinGhosts } from '../choose/pin.js';
import { policyOf } from '../container/policy.js';
import type { Context } from '../context.js';
import { toCopies } from '../dump/copy-all.js';
import { describeCopy } from '../dump/copy-one.js';
import { toExternal } from '../dump/describe.js';
import { dumpGhosts } from '../dump/dump.js';
import { type DumpRequest, keysOfJournal, makeJournal } from '../dump/journal.js';
import { sealImages } from '../seal/seal.js';

/** The file is large enough for an image with chunks. */
const ghostBytes = 20_000;

/**
 * Leaves nothing in IMAGES. An error here is only logged: it happens again at the real dump, and is reported
 * then.
 */
export async function rehearse(context: Context, images: string): Promise<void> {
  const { files, processes } = context.host;
  const workFolder = `${images}/${folder}`;
  const scratch = `${workFolder}/rehearsal`;
  const self = processes.self();
  const existed = files.exists(workFolder);
  if (existed && !isOwnFolder(context, images)) {
    context.log.debug(`no rehearsal: ${workFolder} is no folder, or others may write to it`);
    return;
  }
  let ghost: number | undefined;
  try {
    files.makeDirectory(scratch);
    files.replace(`${scratch}/ghost`, Buffer.alloc(ghostBytes, 1), { durable: false });
    ghost = files.open(`${scratch}/ghost`);
    files.remove(`${scratch}/ghost`);
    const quiet = { ...context, log: silent };
    const { policy } = policyOf(quiet, self);
    const request = { images: scratch, pids: processes.tree(self), policy, criu: true };
    const { journal } = await dumpGhosts(quiet, request);
    files.replace(`${scratch}/files.img`, encodeExternalFiles(keysOfJournal(journal)), { durable: false });
    files.replace(`${scratch}/inventory.img`, Buffer.from('rehearsed'), { durable: false });
    sealImages(quiet, scratch, { durable: false });
  } catch (error) {
    context.log.debug(`the rehearsal failed: ${reasonOf(error)}`);
  } finally {
    // We close it first: on NFS an open file without a name still has one in the folder.
    if (ghost !== undefined) files.close(ghost);
    removeScratch(context, existed ? scratch : workFolder);
  }
}

function removeScratch({ host: { files }, log }: Context, scratch: string): void {
  try {
    files.removeTree(scratch);
  } catch (error) {
    log.debug(`cannot remove ${scratch}: ${reasonOf(error)}`);
  }
}

/** Rounds, and ghosts in each: after these V8 has compiled the hot functions to machine code. */
const [rounds, mostGhosts] = [4, 500];
/** No round begins more than this time after the first, because the checkpoint waits. */
const mostMs = 500;

/**
 * Runs the JavaScript for the first of many GHOSTS, except the search for them. The results are thrown away.
 */
export function rehearseMany(context: Context, request: DumpRequest, ghosts: readonly Ghost[]): void {
  const { clock, processes } = context.host;
  const until = clock() + mostMs;
  let pinned: readonly PinnedGhost[] = [];
  try {
    pinned = pinSome(processes, ghosts.slice(0, mostGhosts));
    for (let round = 0; round < rounds && clock() < until; round += 1) {
      const journal = makeJournal(context, request, pinned, {});
      for (const copy of toCopies(pinned, journal)) describeCopy(copy, request.policy);
      encodeJournal(journal);
      const files = encodeExternalFiles(keysOfJournal(journal));
      planSeal(files, undefined, journal.ghosts.map(toExternal), { mountNamespace: true });
    }
  } catch (error) {
    context.log.debug(`the rehearsal failed: ${reasonOf(error)}`);
  } finally {
    unpinGhosts(processes, pinned);
  }
}

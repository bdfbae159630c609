/** A dump in its order: find → choose → pin → copy → journal. Sealing (seal.ts) then makes it valid. */

import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf, translate } from '../../base/errors.js';
import type { Found } from '../../ghost/find/find.js';
import type { Ghost } from '../../ghost/ghost.js';
import { clearImages } from '../../image/clear-images.js';
import { folder } from '../../image/layout.js';
import { writeJournal } from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import { syncImage } from '../../image/sync-image.js';
import { basesIn } from '../bases/bases.js';
import { chooseGhosts, needsCopy } from '../choose/choose.js';
import { judgeClosed } from '../choose/closed-on-shm.js';
import { assertFrozen, assertStillFrozen, checkWriters } from '../choose/frozen.js';
import { type LeftOut, leaveGhost, noteLeftOut } from '../choose/left-out.js';
import { type PinnedGhost, pinGhosts, unpinGhosts } from '../choose/pin.js';
import { type PinnedNamed, pinNamed } from '../choose/pin-named.js';
import { assertNothingLost } from '../choose/shared-shm.js';
import type { Context } from '../context.js';
import { removeImagesAlone } from '../directory/other-images.js';
import { beginSync, searchGhosts } from '../steps.js';
import { copyAll, toCopies } from './copy-all.js';
import { copyNamed } from './copy-named.js';
import { describeLinked, describeRenamedFolders, type Names } from './describe.js';
import { takeElsewhere } from './elsewhere.js';
import { type DumpRequest, hasOurs, makeJournal } from './journal.js';
import { watchServers, watchUnpin } from './watch-servers.js';

export interface Dumped {
  journal: Manifest;
  found: Found;
}

/**
 * Copies all ghosts of PIDS that are ours to keep. The processes may run: a ghost that changes while it is
 * copied is copied again, and fails the dump in the end. Only a caller that has frozen them (CRIU, for
 * example) gets the ghosts of one moment.
 */
export async function dumpGhosts(context: Context, asked: DumpRequest): Promise<Dumped> {
  const prepared = asked.warm?.prepared;
  const request = { ...asked, prepared };
  const { host } = context;
  const { pids, policy, criu, requireFrozen = false } = request;
  if (requireFrozen) assertFrozen(context, pids);
  const found = prepared?.search(context, pids) ?? searchGhosts(context, pids, { named: criu });
  const { chosen, leftOut } = chooseGhosts(context, found, { policy, criu });
  assertNothingLost(context, request, found);
  judgeClosed(context, request, found);
  const copied = chosen.filter(needsCopy);
  if (!criu) checkWriters(context, copied, pids, requireFrozen);
  const leave = (ghost: Ghost, why: string) => leftOut.push(leaveGhost(ghost, why));
  const { watched, watch } = watchServers(context, copied, request.images);
  try {
    const { memory } = prepared ?? {};
    const pinned = pinGhosts(host.processes, copied, criu ? undefined : leave, watched.alive, memory);
    let named: PinnedNamed[] = [];
    let dumped: Dumped | undefined;
    try {
      named = pinNamed(context, request, found.named, chosen.length);
      const renamed = criu && policy.enabled ? describeRenamedFolders(found.ghosts) : {};
      const held = { pinned, named, names: { ...describeLinked(context, chosen), ...renamed } };
      const journal = await dumpPinned(watched, request, held, leftOut, () => watch?.stop());
      dumped = { journal, found };
      return dumped;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      const where = host.files.realPath(request.images);
      throw translate(error, 'IO', where, `cannot dump into ${where}`);
    } finally {
      letGo(context, request, [...pinned, ...named], dumped !== undefined);
    }
  } finally {
    watch?.stop();
  }
}

function letGo(
  context: Context,
  { images, warm }: DumpRequest,
  pinned: readonly PinnedGhost[],
  isDumped: boolean,
): void {
  const ghosts = pinned.map(({ ghost }) => ghost);
  const watch = watchUnpin(context, ghosts, images, isDumped);
  unpinGhosts(context.host.processes, pinned);
  watch?.stop();
  warm?.discard();
}

/** All that a dump keeps. */
interface Held {
  pinned: readonly PinnedGhost[];
  named: readonly PinnedNamed[];
  names: Names;
}

/** @param onCopied is called when the ghosts are copied: from then on no server is asked for anything */
async function dumpPinned(
  context: Context,
  request: DumpRequest,
  { pinned, named, names }: Held,
  leftOut: readonly LeftOut[],
  onCopied: () => void,
): Promise<Manifest> {
  const { host } = context;
  const { images, warm } = request;
  const count = pinned.length + named.length;
  const needed = count > 0 || hasOurs({ ghosts: [], ...names }) || !request.criu;
  const mayTake = count > 0 && warm?.mayHave === true && ownsFolder(context, images);
  const earlier = pinned.map(({ ghost, stat }) =>
    mayTake && ghost.class !== 'linked' ? warm?.take(stat) : undefined,
  );
  if (mayTake) for (const pin of named) pin.warm = warm?.take(pin.stat);
  // Warm images that no ghost has taken may occupy the room that others need.
  warm?.discard();
  if (!request.criu) removeImagesAlone(context, images);
  clearImages(host, images, [...earlier, ...named.map(pin => pin.warm)]);
  if (needed) host.files.makeDirectory(`${images}/${folder}`);
  try {
    const journal = makeJournal(context, request, pinned, names, earlier);
    const copies = toCopies(pinned, journal, earlier);
    if (request.elsewhere)
      await takeElsewhere(context, request, request.elsewhere, journal, { copies, named });
    else {
      await copyAll(context, request, copies);
      journal.ghosts = copies.map(({ entry }) => entry);
      await copyNamed(context, request, journal, named);
    }
    if (request.staysFrozen) assertStillFrozen(context, request.pids);
    onCopied();
    // With CRIU we do not wait for the disk: CRIU does not either, and the container is frozen meanwhile.
    if (!request.criu && !request.elsewhere) {
      beginSync(context, journal.ghosts.length);
      for (const { image } of journal.ghosts) {
        syncImage(host.files, images, image, 'while the processes live, dump them again, elsewhere');
        context.progress?.did();
      }
    }
    journal.state = 'dumped';
    delete journal.idMaps;
    Object.assign(journal, noteLeftOut(context.log, leftOut));
    if (!request.criu || hasOurs(journal)) writeJournal(host.files, images, journal, { durable: false });
    else if (needed) clearImages(host, images, basesIn(context, images));
    return journal;
  } catch (error) {
    // The images copied so far are of no use without the rest, and may fill the disk.
    warm?.giveBack();
    clearImages(host, images, basesIn(context, images));
    throw error;
  }
}

/**
 * Makes our working folder, because bases are moved into it. It does not exist yet if the warm pass has
 * copied nothing.
 * @returns false if it is not ours alone
 */
function ownsFolder(context: Context, images: string): boolean {
  const { files } = context.host;
  if (!files.exists(`${images}/${folder}`)) files.makeDirectory(`${images}/${folder}`);
  return isOwnFolder(context, images);
}

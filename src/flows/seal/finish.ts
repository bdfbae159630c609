/** Finishes a dump whose ghosts are still held by pins: copies them, then seals. Can be repeated. */

import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError, translate } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { birthOf } from '../../base/host/identity.js';
import { showDev, showTime } from '../../base/units.js';
import { inventoryOfThis } from '../../image/inventory.js';
import { folder } from '../../image/layout.js';
import { readJournal, writeJournal } from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import { syncImage } from '../../image/sync-image.js';
import { type Policy, resolvePolicy } from '../../oci/policy.js';
import { Bases } from '../bases/bases.js';
import { unkeptEntry, warnOfUnkept } from '../choose/shared-shm.js';
import type { Context } from '../context.js';
import { removeLeftovers } from '../directory/leftovers.js';
import { asOwner, type OwnerOptions } from '../directory/owner.js';
import { copyAll } from '../dump/copy-all.js';
import { copyWhatCanBe, type Leave } from '../dump/copy-named.js';
import { type Copy, imageMode } from '../dump/copy-one.js';
import { nameOf } from '../dump/describe.js';
import { type Described, describeAgain, startState } from '../dump/describe-again.js';
import { beginSync } from '../steps.js';
import { type Sealed, sealImages } from './seal.js';

export async function finishDump(
  context: Context,
  images: string,
  policy: Policy = resolvePolicy(),
  options: OwnerOptions = {},
): Promise<Sealed> {
  const { files } = context.host;
  return asOwner(
    context,
    images,
    async (images, { isLocked }) => {
      const journal = readJournal(files, images);
      if (journal?.state === 'pinned') {
        // Content is copied only if CRIU has finished the checkpoint. If the container still ran, its present
        // content would pass for that of the freeze.
        if (journal.criu) inventoryOfThis(files, images, journal);
        await copyPinned(context, images, journal, policy);
      }
      try {
        return sealImages(context, images, { durable: true, ...(journal ? { journal } : {}) });
      } finally {
        // Without a lock, a folder that looks like a leftover may belong to a dump at work.
        if (!journal && isLocked) removeLeftovers(context, images);
      }
    },
    options,
  );
}

async function copyPinned(
  context: Context,
  images: string,
  journal: Manifest,
  policy: Policy,
): Promise<void> {
  const { files, processes } = context.host;
  assertOwnFolder(context, images);
  const dump = startState(journal);
  const copies: Copy[] = [];
  const { reserve } = policy;
  const mode = imageMode({ criu: journal.criu ?? false });
  const bases = new Bases(context, images, [images], { mode, reserve });
  try {
    const named = journal.ghosts.filter(isNamed);
    journal.ghosts = journal.ghosts.filter(entry => !isNamed(entry));
    for (const entry of journal.ghosts) copies.push({ ...openPin(context, entry), dump });
    const ghosts = copies.length;
    for (const entry of named) {
      const one = openNamed(context, entry);
      if (one) copies.push({ ...one, dump });
    }
    // A named file that cannot be copied is left out: the container may be gone, and its ghosts must not wait
    // for such a file. The command reports that it is missing. If only room for it is missing, the dump fails
    // instead, because the user can make some, unless the policy allows that files are missing.
    const leave: Leave = (file, cause) => {
      if (cause instanceof GhostkeepError && cause.code === 'NO_SPACE' && !policy.allowMissing) throw cause;
      warnOfUnkept(context, file, cause);
    };
    // The container has run on between our pin and CRIU's freeze, so the ghosts may have changed.
    for (const copy of copies) describeAgain(context, copy);
    for (const copy of copies) takeBase(bases, copy);
    // The container is gone, so losing its ghosts would be worse than using the room that the policy
    // reserves.
    const target = { images, policy: { ...policy, reserve: 0n }, criu: journal.criu ?? false };
    await copyAll(context, target, copies.slice(0, ghosts));
    journal.ghosts = copies.slice(0, ghosts).map(({ entry }) => entry);
    for (const { entry } of await copyWhatCanBe(context, target, copies.slice(ghosts), leave))
      journal.ghosts.push(entry);
  } catch (error) {
    // The bases go back to their places, where a second try finds them.
    bases.giveBack();
    throw error;
  } finally {
    bases.letGo();
    for (const { fd } of copies) processes.unpin(fd);
  }
  beginSync(context, journal.ghosts.length);
  for (const { image } of journal.ghosts) {
    syncImage(
      files,
      images,
      image,
      `while it is held, make room there and \`ghostkeep seal -D ${files.realPath(images)}\``,
    );
    context.progress?.did();
  }
  journal.state = 'dumped';
  delete journal.idMaps;
  delete journal.heldBy;
  for (const entry of journal.ghosts) delete entry.pin;
  writeJournal(files, images, journal, { durable: true });
}

/**
 * Uses the base that a round may have made of the ghost before the freeze: the copy then compares it and
 * writes only what differs. The image of a named file keeps its name, because sealing knows by that name that
 * CRIU does not read it.
 */
function takeBase(bases: Bases, copy: Copy): void {
  const { entry, stat } = copy;
  if (entry.class === 'linked') return;
  const base = bases.take(stat, isNamed(entry) ? entry.image : undefined);
  if (!base) return;
  entry.image = base.image;
  copy.over = true;
}

const isNamed = (entry: ManifestGhost) => entry.class === 'named';

/**
 * Opens a named file; undefined if that fails. CRIU has dumped the file by its name, so a restore works
 * without the copy wherever the file still exists.
 */
function openNamed(context: Context, entry: ManifestGhost): Omit<Described, 'dump'> | undefined {
  try {
    return openPin(context, entry);
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    warnOfUnkept(context, unkeptEntry(entry), error);
    return undefined;
  }
}

/** Asserts that nobody else could have written the journal, because it names descriptors to copy from. */
function assertOwnFolder(context: Context, images: string): void {
  if (isOwnFolder(context, images)) return;
  const path = `${context.host.files.realPath(images)}/${folder}`;
  throw new GhostkeepError(
    'PERMISSION',
    path,
    `cannot copy what ${path} names: it is no folder, belongs to somebody else or others may write to it`,
  );
}

/**
 * True if STAT is of the file of ENTRY. On overlayfs the time of birth is not compared: the container has run
 * on since the pin, and a file that was copied up meanwhile has another one.
 */
function isEntryOf(entry: ManifestGhost, stat: FileStat): boolean {
  const birth = entry.filesystem === 'overlay' ? undefined : birthOf(stat);
  return (
    stat.ino === BigInt(entry.ino) &&
    showDev(stat.dev) === entry.dev &&
    (entry.birth === undefined || birth === undefined || showTime(birth) === entry.birth)
  );
}

/**
 * Opens the ghost through the pin that the journal names. A `ghostkeep checkpoint` that waits may hold it.
 */
function openPin({ host: { processes } }: Context, entry: ManifestGhost): Omit<Described, 'dump'> {
  const subject = `${entry.dev}/${entry.ino}`;
  const { pin } = entry;
  if (!pin)
    throw new GhostkeepError(
      'HOLDER_GONE',
      subject,
      `cannot dump ${nameOf(entry)}: the journal names no pin`,
    );
  try {
    if (processes.startTime(pin.pid) === pin.startTime) {
      const fd = processes.pin(pin.pid, `fd/${pin.fd}`);
      const stat = processes.statPin(fd);
      if (isEntryOf(entry, stat)) return { entry, fd, stat };
      processes.unpin(fd);
    }
  } catch (error) {
    throw translate(error, 'HOLDER_GONE', subject, `cannot dump ${nameOf(entry)} from process ${pin.pid}`);
  }
  throw new GhostkeepError(
    'HOLDER_GONE',
    subject,
    `cannot dump ${nameOf(entry)}: process ${pin.pid} does not hold it any more`,
  );
}

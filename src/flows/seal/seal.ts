/**
 * Seals a dump: afterwards the image directory is complete, as if CRIU had written the ghosts itself.
 *
 * Every step can be repeated. The journal is removed last and says what is still to do, so a seal that was
 * interrupted anywhere is finished by another one. No content of the ghosts is touched.
 */

import { bounds } from '../../base/bounds.js';
import { assertDocument } from '../../base/documents/document.js';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { Durability } from '../../base/host/host.js';
import { collectAfter } from '../../base/memory.js';
import { counted } from '../../base/text/counted.js';
import { largestRemapId, planSeal, remappedGhosts, type SealPlan } from '../../criu/seal-plan.js';
import { inventoryOfThis } from '../../image/inventory.js';
import {
  folder,
  ghostImageName,
  isPendingName,
  journalName,
  manifestName,
  oldManifestName,
  reserveName,
} from '../../image/layout.js';
import { keepFirstId, readJournal, readManifest, writeManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { thaw } from '../directory/thaw.js';
import { assertNotEncrypted } from '../directory/unsealable.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { toExternal, toKeyPath, toRenamedFolder } from '../dump/describe.js';
import { externalOf } from '../prepared/prepared.js';
import { adopt } from './adopt.js';
import { assertNotTaken, giveNames } from './give-names.js';

export interface Sealed {
  manifest: Manifest;
  /** False if the dump was sealed before. */
  now: boolean;
}

/**
 * @param how.durable fsync everything, ghost images included. Not while processes are frozen: CRIU does not
 * sync its own images either, and on ext4 a sync of one file waits for the data of all.
 * @param how.journal the journal, from a caller that has just written it
 * @throws MANIFEST_MISSING if nothing was dumped here; SEAL_FAILED and others if it can be tried again
 */
export function sealImages(
  context: Context,
  images: string,
  { durable, journal: known }: Durability & { journal?: Manifest },
): Sealed {
  const { files } = context.host;
  // The journal on disk decides whether there is anything to seal, even for the caller that wrote it.
  const journal = known && files.exists(`${images}/${journalName}`) ? known : readJournal(files, images);
  if (!journal) {
    const manifest = readManifest(files, images);
    if (files.exists(`${images}/${folder}`)) removeWorkingFolder(context, images);
    return { manifest, now: false };
  }
  const where = files.realPath(images);
  if (journal.state === 'pinned') {
    throw new GhostkeepError('SEAL_FAILED', where, `cannot seal ${where}: not all ghosts are copied yet`);
  }
  if (journal.criu) assertNotEncrypted(files, images);
  try {
    files.remove(`${images}/${reserveName}`);
    const { manifest, unused } = journal.criu
      ? sealCriu(context, images, journal, { durable })
      : sealAlone(context, images, journal, { durable });
    writeWhatFits(context, images, manifest, { durable });
    for (const name of [oldManifestName, journalName, ...unused]) files.remove(`${images}/${name}`);
    removeWorkingFolder(context, images);
    warnOfRefused(context, images);
    return { manifest, now: true };
  } catch (error) {
    throw translate(
      error,
      'SEAL_FAILED',
      where,
      `cannot seal ${where} (nothing is lost; \`ghostkeep seal -D ${where}\` tries again)`,
    );
  }
}

/**
 * Removes `ghostkeep/`. The file first-id may still lie there, with the id of the dump's first ghost. Only a
 * seal that finds a journal reads it, and the journal has been removed before, so no other dump can use an
 * old id. The dump is complete by now, so a folder that cannot be removed is no error.
 */
function removeWorkingFolder({ host: { files }, log }: Context, images: string): void {
  try {
    files.removeTree(`${images}/${folder}`);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    const where = `${files.realPath(images)}/${folder}`;
    log.warn(
      `cannot remove ${where}: ${reasonOf(error)}; the dump is sealed and does not need it, but containerd's CRI takes no directory with a folder in it`,
    );
  }
}

/**
 * Ghosts that CRIU has dumped itself are listed for information only, so they are dropped if there is no
 * room.
 */
function writeWhatFits(
  { host: { files }, log }: Context,
  images: string,
  manifest: Manifest,
  { durable }: Durability,
): void {
  try {
    writeManifest(files, images, manifest, { durable });
  } catch (error) {
    const ghosts = manifest.ghosts.filter(({ adopted }) => !adopted);
    const isTooLarge = error instanceof GhostkeepError && error.code === 'MANIFEST_INVALID';
    if (!isTooLarge || ghosts.length === manifest.ghosts.length) throw error;
    writeManifest(files, images, { ...manifest, ghosts }, { durable });
    warnOfUnlisted(log, manifest.ghosts.length - ghosts.length);
  }
}

function warnOfUnlisted(log: Context['log'], count: number): void {
  log.warn(
    `the manifest has no room for ${counted(count, 'ghost')} that CRIU dumped itself: verify looks at none of them`,
  );
}

/**
 * The manifest to write, and images that it does not list. These are removed after the manifest is written.
 */
interface Plan {
  manifest: Manifest;
  unused: string[];
}

function sealAlone(context: Context, images: string, journal: Manifest, { durable }: Durability): Plan {
  const { files } = context.host;
  for (const [index, { image }] of journal.ghosts.entries())
    if (isPendingName(image)) assertNotTaken(files, images, image, ghostImageName(index + 1));
  const ghosts = giveNames(context, images, journal, 1, { durable });
  return { manifest: { ...journal, state: 'sealed', ghosts }, unused: [] };
}

function sealCriu(context: Context, images: string, journal: Manifest, { durable }: Durability): Plan {
  const { files } = context.host;
  const inventory = inventoryOfThis(files, images, journal);
  const { named, used, ...others } = sealOpenFiles(context, images, journal, { durable });
  collectAfter(others.bytes);
  if (journal.thaw) thaw(files, images, { durable });
  // The container may have closed a ghost between our pin and CRIU's freeze. Then no entry of files.img needs
  // it any more.
  const isUsed = (ghost: ManifestGhost) => ghost.linked !== undefined || used.has(ghost.id);
  const ghosts = named.filter(isUsed);
  // Everybody who may read CRIU's images may read ours: at restore that is root of the container's user
  // namespace.
  const here = ghosts.filter(ghost => !ghost.moved).map(ghost => ghost.image);
  for (const alike of [['remap-fpath.img'], here])
    files.matchOwner(
      alike.map(name => `${images}/${name}`),
      `${images}/files.img`,
    );
  if (others.tooManyAdopted > 0) warnOfUnlisted(context.log, others.tooManyAdopted);
  const adopted = [...others.adopted].flatMap(([id, name]) => adopt(context, images, id, name));
  const { earlierInventory: _, heldBy: __, earlierGhosts = [], renamedFolders: ___, ...rest } = journal;
  const manifest: Manifest = { ...rest, state: 'sealed', inventory, ghosts: [...ghosts, ...adopted] };
  if (adopted.length > 0)
    assertDocument<Manifest>('Manifest', { ...manifest, ghosts: adopted }, manifestName, 'MANIFEST_INVALID');
  const listed = new Set(manifest.ghosts.map(({ image }) => image));
  // These images are from the checkpoint that CRIU and we have written over.
  const replaced = earlierGhosts
    .filter(id => !used.has(id))
    .map(ghostImageName)
    .filter(image => !listed.has(image));
  const unused = named.filter(ghost => !isUsed(ghost));
  const gone = unused.flatMap(({ moved }) => moved?.key ?? []);
  if (manifest.moved && gone.length > 0) manifest.moved = { ...manifest.moved, gone };
  return { manifest, unused: [...unused.map(({ image }) => image), ...replaced] };
}

/**
 * `named` are the ghosts with their final names, `used` the ids in remap-fpath.img, and the rest is the part
 * of the plan that is needed later.
 */
interface SealedFiles extends Pick<SealPlan, 'adopted' | 'tooManyAdopted'> {
  named: ManifestGhost[];
  used: Set<number>;
  /** The size of files.img. */
  bytes: number;
}

/**
 * Gives the images their names, and writes remap-fpath.img and files.img. This is a function of its own, so
 * that both files are out of memory when it returns.
 */
function sealOpenFiles(
  context: Context,
  images: string,
  journal: Manifest,
  { durable }: Durability,
): SealedFiles {
  const { files } = context.host;
  const filesImage = files.read(`${images}/files.img`, bounds.files);
  const remaps = files.readIfThere(`${images}/remap-fpath.img`, bounds.remaps);
  const first = keepFirstId(files, images, largestRemapId(remaps) + 1, { durable });
  const named = giveNames(context, images, journal, first, { durable });
  const plan = planSeal(
    filesImage,
    remaps,
    named.map(ghost => externalOf(ghost) ?? toExternal(ghost)),
    { mountNamespace: journal.mountNamespace },
    journal.links?.map(toKeyPath),
    journal.renamedFolders?.map(toRenamedFolder),
  );
  collectAfter(filesImage.length);
  // We write remap-fpath.img first: while files.img still has external entries, nothing uses the new remaps.
  // In the other order, a seal that is interrupted between the two would leave files.img with ids of ghosts
  // that remap-fpath.img does not have.
  files.replace(`${images}/remap-fpath.img`, plan.remaps, { durable });
  files.replace(`${images}/files.img`, plan.files, { durable });
  const { adopted, tooManyAdopted } = plan;
  return { named, used: remappedGhosts(plan.remaps), bytes: filesImage.length, adopted, tooManyAdopted };
}

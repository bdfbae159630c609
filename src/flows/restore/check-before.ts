import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { isOfThisCheckpoint } from '../../image/inventory.js';
import { folder, manifestName } from '../../image/layout.js';
import { holdsDump, readJournal, readManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { removeLeftovers } from '../directory/leftovers.js';
import { asOwner } from '../directory/owner.js';
import { sealImages } from '../seal/seal.js';
import { type FindSource, recreateLinked } from './recreate-linked.js';
import { assertUndamaged, verify } from './verify.js';

/**
 * Finish an interrupted seal, refuse what would not come back whole, and make linked ghosts again.
 * @param findSource where external mounts of the container come from on this host
 */
export async function checkBeforeRestore(
  context: Context,
  images: string,
  findSource: FindSource,
): Promise<void> {
  const { files } = context.host;
  const isUnsealed = readJournal(files, images) !== undefined;
  if (!isUnsealed && files.exists(`${images}/${folder}`)) await tidy(context, images);
  if (!holdsDump(files, images)) return;
  if (isUnsealed)
    await asOwner(context, images, owned => sealImages(context, owned, { durable: false }), {
      waitMs: 10_000,
    });
  if (!isOfThisCheckpoint(files, images, readManifest(files, images))) {
    await acceptForeign(context, images);
    return;
  }
  assertUndamaged(
    await verify(context, images, { fromDisk: false }),
    `cannot restore from ${files.realPath(images)}`,
  );
  await recreateLinked(context, images, readManifest(files, images), findSource);
}

/** What a killed dump has left is in no restore's way: the directory may also be in use, or read-only. */
async function tidy(context: Context, images: string): Promise<void> {
  try {
    await asOwner(context, images, (owned, { isLocked }) => {
      if (isLocked) removeLeftovers(context, owned);
    });
  } catch (error) {
    context.log.info(`what a dump that was killed has left in ${images} stays there: ${reasonOf(error)}`);
  }
}

/**
 * A changed inventory.img would turn all checks off, so that whoever changes it would decide that nothing is
 * checked. Only the host's policy can say so.
 * @throws IMAGE_MISMATCH
 */
async function acceptForeign(context: Context, images: string): Promise<void> {
  const where = context.host.files.realPath(images);
  const what = `inventory.img in ${where} is not that of the checkpoint which ghostkeep's manifest there describes`;
  // Loaded here: a restore waits for every file that is loaded, and mostly this is not asked.
  const { configPath, readConfig } = await import('../container/policy.js');
  if (readConfig(context).acceptChangedInventory) {
    context.log.warn(`${what}: nothing is checked, as \`acceptChangedInventory\` in ${configPath} says`);
    return;
  }
  throw new GhostkeepError(
    'IMAGE_MISMATCH',
    'inventory.img',
    `cannot restore from ${where}: ${what}. If CRIU alone has written another checkpoint there since, remove ${where}/${manifestName}; if a tool has rewritten only inventory.img, \`ghostkeep materialize -D ${where} --accept-changed-inventory\``,
  );
}

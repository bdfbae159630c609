import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { assertStandsAlone } from '../../chain/stands-alone.js';
import { isOfThisCheckpoint } from '../../image/inventory.js';
import { folder, manifestName } from '../../image/layout.js';
import { assertHere, holdsDump, readJournal, readManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { removeLeftovers } from '../directory/leftovers.js';
import { asOwner } from '../directory/owner.js';
import { sealImages } from '../seal/seal.js';
import { type FindSource, recreateLinked } from './recreate-linked.js';
import { assertUndamaged, verify } from './verify.js';

/**
 * Finishes an interrupted seal, refuses an image that would not be restored completely, and makes the names
 * of linked ghosts again.
 * @param findSource finds where external mounts of the container come from on this host
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
  const where = files.realPath(images);
  const action = `cannot restore from ${where}`;
  assertHere(readManifest(files, images), action, where);
  assertStandsAlone(readManifest(files, images), action, where);
  assertUndamaged(await verify(context, images, { fromDisk: false }), action);
  await recreateLinked(context, images, readManifest(files, images), findSource);
}

/**
 * Leftovers of a killed dump do not disturb a restore, so a directory that is in use or read-only is no
 * error.
 */
async function tidy(context: Context, images: string): Promise<void> {
  try {
    await asOwner(context, images, (owned, { isLocked }) => {
      if (isLocked) removeLeftovers(context, owned);
    });
  } catch (error) {
    context.log.info(`the leftovers of a killed dump stay in ${images}: ${reasonOf(error)}`);
  }
}

/**
 * With a changed inventory.img all checks would be skipped, so anybody who can change it could turn them off.
 * Only the host's policy may allow that.
 * @throws IMAGE_MISMATCH
 */
async function acceptForeign(context: Context, images: string): Promise<void> {
  const where = context.host.files.realPath(images);
  const what = `inventory.img in ${where} is not that of the checkpoint which ghostkeep's manifest there describes`;
  // We import this here, because a restore waits for every module that is loaded and seldom needs this one.
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

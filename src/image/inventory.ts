/** inventory.img, which CRIU writes last. It tells one checkpoint in a directory from the next. */
import { bounds } from '../base/bounds.js';
import type { Inventory, Manifest } from '../base/documents/generated/manifest.js';
import { GhostkeepError } from '../base/errors.js';
import type { Files } from '../base/host/host.js';
import { showTime } from '../base/units.js';

/** Undefined where there is no inventory.img. */
export function readInventory(files: Files, images: string): Inventory | undefined {
  const path = `${images}/inventory.img`;
  const content = files.readIfThere(path, bounds.inventory)?.toString('base64');
  return content === undefined ? undefined : { content, mtime: showTime(files.statPath(path).mtimeNs) };
}

/**
 * False when CRIU has since written another checkpoint into IMAGES. Then the manifest says nothing about it.
 */
export function isOfThisCheckpoint(files: Files, images: string, { inventory }: Manifest): boolean {
  return inventory === undefined || readInventory(files, images)?.content === inventory;
}

/**
 * CRIU writes inventory.img last. If it is missing, or an earlier checkpoint wrote it, CRIU is still at work
 * or has failed. A seal would then use ids that CRIU has yet to give out. CRIU before 4.1 writes the same
 * bytes each time, so a changed time also counts as new. No time is compared with a clock, since a file
 * server has its own.
 * @returns the bytes of inventory.img, in base64
 */
export function inventoryOfThis(files: Files, images: string, journal: Manifest): string {
  const now = readInventory(files, images);
  const { earlierInventory: earlier } = journal;
  if (now && now.content !== '' && (now.content !== earlier?.content || now.mtime !== earlier.mtime))
    return now.content;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'SEAL_FAILED',
    where,
    `cannot seal ${where}: CRIU has not finished its dump (no inventory.img of it); when it has, \`ghostkeep seal -D ${where}\``,
  );
}

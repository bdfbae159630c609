/** Checks that a dump is complete, and writes wishes for its restore into its manifest. */

import type { Manifest } from '../../base/documents/generated/manifest.js';
import type { Materialized } from '../../base/documents/generated/materialized.js';
import type { Files } from '../../base/host/host.js';
import { countFromJson, countToJson } from '../../base/units.js';
import { assertStandsAlone } from '../../chain/stands-alone.js';
import { readInventory } from '../../image/inventory.js';
import { readSealedManifest, writeManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { rangesOf } from './allocation.js';
import { assertUndamaged, verify } from './verify.js';

export interface MaterializeRequest {
  images: string;
  /**
   * Every restore that ghostkeep takes part in allocates again the space that was allocated and never
   * written.
   */
  preserveAllocation?: boolean;
  /**
   * Accept the current inventory.img as the one of this checkpoint, if everything else is as the manifest
   * says.
   */
  acceptChangedInventory?: boolean;
}

/**
 * Can be repeated; a wish that is written once stays. If the directory is packed, `unpack` has to come first.
 * @throws IN_USE, PACKED, MANIFEST_MISSING, MANIFEST_INVALID, and the first damage's code
 */
export async function materialize(context: Context, request: MaterializeRequest): Promise<Materialized> {
  const work = (images: string) => materializeHere(context, { ...request, images });
  // Without a wish we write nothing, and need not be the owner.
  return request.preserveAllocation || request.acceptChangedInventory
    ? asOwner(context, request.images, work)
    : work(request.images);
}

async function materializeHere(
  context: Context,
  { images, preserveAllocation = false, acceptChangedInventory = false }: MaterializeRequest,
): Promise<Materialized> {
  const { files } = context.host;
  const where = files.realPath(images);
  const manifest = readSealedManifest(files, images);
  assertStandsAlone(manifest, `cannot materialize ${where}`, where);
  // We read it once, before the check: the inventory that is accepted is the one that was there during the
  // check.
  const changed = acceptChangedInventory ? changedInventory(files, images, manifest) : undefined;
  const anyInventory = changed !== undefined;
  assertUndamaged(await verify(context, images, { anyInventory }), `cannot materialize ${where}`);
  const wished = preserveAllocation && !manifest.preserveAllocation;
  if (wished || changed)
    writeManifest(
      files,
      images,
      { ...manifest, ...(wished ? { preserveAllocation } : {}), ...changed },
      { durable: true },
    );
  warnOfRefused(context, images);
  const ranges = manifest.ghosts.flatMap(ghost => rangesOf(ghost) ?? []);
  return {
    images: where,
    ghosts: manifest.ghosts.length,
    preserveAllocation: preserveAllocation || (manifest.preserveAllocation ?? false),
    ...(changed ? { acceptedInventory: true } : {}),
    allocationBytes: countToJson(ranges.reduce((sum, { length }) => sum + length, 0n)),
    allocationUnknown: manifest.ghosts
      .filter(({ data, allocated }) => !data?.allocation && countFromJson(allocated) > 0n)
      .map(({ id }) => id),
  };
}

/** @returns undefined if inventory.img is unchanged, or empty: one that CRIU has written has content */
function changedInventory(
  files: Files,
  images: string,
  { inventory: known }: Manifest,
): { inventory: string } | undefined {
  const inventory = known === undefined ? undefined : readInventory(files, images)?.content;
  return inventory && inventory !== known ? { inventory } : undefined;
}

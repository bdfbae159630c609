/** `dump --parent P [--auto-dedup [--discard-older]]`: a dump that is packed after it was sealed. */
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import type { Context } from '../../flows/context.js';
import { dedup } from '../../flows/dedup/dedup.js';
import type { Fate } from '../../flows/dedup/parent-fits.js';
import { pack } from '../../flows/history/pack.js';
import { readManifest } from '../../image/manifest.js';
import { required, usage } from '../args.js';
import { showDeduplicated } from '../print/show-deduplicated.js';
import { fateOf } from './auto-dedup.js';

export interface Packing extends Fate {
  parent: string;
}

/** @returns undefined without --parent. @throws USAGE */
export function packingOf(values: {
  parent?: string | undefined;
  'auto-dedup'?: boolean | undefined;
  'discard-older'?: boolean | undefined;
}): Packing | undefined {
  const fate = fateOf('dump', values);
  if (values.parent !== undefined) return { parent: required('dump', '--parent', values.parent), ...fate };
  if (fate.autoDedup) throw usage('dump', '--auto-dedup goes with --parent');
  return undefined;
}

/**
 * Packs the dump. @returns its new manifest, and what to print about the parents. @throws what pack and dedup
 * throw
 */
export async function packDumped(
  context: Context,
  images: string,
  { parent, autoDedup, discardOlder }: Packing,
): Promise<{ manifest: Manifest; more: string }> {
  const { files } = context.host;
  try {
    await pack(context, { images, parent });
    const freed = autoDedup ? await dedup(context, { images, parent, discardOlder }) : undefined;
    return { manifest: readManifest(files, images), more: freed ? showDeduplicated(freed) : '' };
  } catch (error) {
    if (error instanceof GhostkeepError)
      error.message += `; the dump in ${files.realPath(images)} is complete, and \`ghostkeep show\` says whether it is packed`;
    throw error;
  }
}

import { GhostkeepError } from '../../base/errors.js';
import { assertNothingGiven } from '../../chain/given.js';
import { mostParents } from '../../chain/packed.js';
import { standsAlone } from '../../chain/stands-alone.js';
import { readSealedManifest } from '../../image/manifest.js';
import { type Link, Parents } from '../chain/open-layers.js';
import { assertOnlyChild, assertOnlyChildren } from '../chain/own-chain.js';
import type { Context } from '../context.js';

/** Do the parents of a new child give up what it replaces, even a parent that could be restored by itself? */
export interface Fate {
  autoDedup: boolean;
  discardOlder: boolean;
}

/**
 * Checks a parent before there is a child, so that whatever is wrong with the parent is reported before a
 * container is frozen or a byte is written. The parent is checked again when it is used.
 * @throws MANIFEST_…, CHAIN_…, GIVEN_UP; with `autoDedup` also HAS_CHILDREN, STANDS_ALONE
 */
export function assertParentFits(context: Context, parent: string, { autoDedup, discardOlder }: Fate): void {
  const { files } = context.host;
  const where = files.realPath(parent);
  const action = `cannot use ${where} as a parent`;
  const link: Link = { images: parent, where, manifest: readSealedManifest(files, parent) };
  assertNothingGiven(link.manifest, action, where);
  const links = new Parents(context).all(link);
  if (links.length > mostParents)
    throw new GhostkeepError(
      'CHAIN_WRONG',
      where,
      `${action}: its child would have more than ${mostParents} parents; materialize ${where} first`,
    );
  if (!autoDedup) return;
  assertOnlyChild(context, link, undefined, `${action} that gives up what is replaced`);
  assertOnlyChildren(context, links, `${action} that gives up what is replaced`);
  const alone = links.find(({ manifest }) => standsAlone(manifest));
  if (alone && !discardOlder)
    throw new GhostkeepError(
      'STANDS_ALONE',
      alone.where,
      `${action} that gives up what is replaced: ${alone.where} can still be restored by itself, and could not any more; --discard-older gives it up`,
    );
}

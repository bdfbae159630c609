/**
 * Frees in the parents of a packed directory what that directory has replaced: CRIU's `dedup`, for ghosts.
 * After that the parents are no checkpoints that can be restored. Their manifests say so before a byte is
 * given up.
 */
import type { Deduplicated, DeduplicatedParent } from '../../base/documents/generated/deduplicated.js';
import { GhostkeepError } from '../../base/errors.js';
import { countToJson } from '../../base/units.js';
import { assertNothingGiven } from '../../chain/given.js';
import { standsAlone } from '../../chain/stands-alone.js';
import type { Link } from '../chain/open-layers.js';
import { asOwnerOfChain, assertOnlyChildren } from '../chain/own-chain.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { tidy } from '../history/tidy.js';
import { assertUndamaged, verify } from '../restore/verify.js';
import { freeGiven, recordGiven } from './give.js';
import { type Plan, planGiving } from './plan.js';
import { settleAll } from './settle.js';

export interface DedupRequest {
  /** The child. Its parents give up what it has replaced. */
  images: string;
  /** The parent to free, where the child has nothing in common with it and so names none. */
  parent?: string;
  /** Go on also where a parent can still be restored by itself. Its images are packed first. */
  discardOlder?: boolean;
  /** The parents' children that are not there were removed, and need nothing. */
  childrenRemoved?: boolean;
  /** Only say what would be free. */
  dryRun?: boolean;
}

/**
 * The command can be repeated, also after it was killed. The child is on the disk and was read completely
 * before any parent gives up a byte.
 * @throws BAD_INPUT, HAS_CHILDREN, STANDS_ALONE, NO_HOLES, GIVEN_UP, CHAIN_…, IMAGE_…, IN_USE before anything
 * is given up; IO and IMAGE_INVALID also later, when nearer parents may have given up bytes already
 */
export async function dedup(context: Context, request: DedupRequest): Promise<Deduplicated> {
  const { images, parent } = request;
  return asOwner(context, images, owned =>
    asOwnerOfChain(context, owned, images, links => dedupChain(context, links, request), parent),
  );
}

async function dedupChain(
  context: Context,
  links: readonly Link[],
  { discardOlder = false, dryRun = false, childrenRemoved = false }: DedupRequest,
): Promise<Deduplicated> {
  const [child] = links as [Link];
  const action = `cannot free anything for ${child.where}`;
  assertNothingGiven(child.manifest, action, child.where);
  if (links.length === 1)
    throw new GhostkeepError(
      'BAD_INPUT',
      child.where,
      `${action}: it has no parent; \`ghostkeep pack -D ${child.where} --parent P\` comes first`,
    );
  assertOnlyChildren(context, links, action, childrenRemoved);
  if (!dryRun) {
    for (const each of links) tidy(context.host.files, each.images);
    await settleAll(context, child);
  }
  assertUndamaged(await verify(context, child.images, { fromDisk: !dryRun, chain: true }), action);
  const plans = await planGiving(context, links, { punches: !dryRun });
  if (!discardOlder) assertNoneStandsAlone(plans, action);
  if (dryRun)
    return summary(
      child,
      plans,
      plans.map(({ wouldFree }) => wouldFree),
      dryRun,
    );
  // The record of the nearest parent is written first: that parent needs those behind it, so it must not pass
  // for whole when they are not.
  for (const plan of plans) await recordGiven(context, links, plan);
  const freed: bigint[] = [];
  for (const plan of plans) freed.push(await freeGiven(context, plan));
  warnOfRefused(context, child.images);
  return summary(child, plans, freed, dryRun);
}

/** @throws STANDS_ALONE */
function assertNoneStandsAlone(plans: readonly Plan[], action: string): void {
  const alone = plans.find(({ link, ghosts }) => standsAlone(link.manifest) && ghosts.length > 0);
  if (!alone) return;
  const { where } = alone.link;
  throw new GhostkeepError(
    'STANDS_ALONE',
    where,
    `${action}: ${where} can still be restored by itself, and could not any more; --discard-older gives it up`,
  );
}

function summary(
  { where }: Link,
  plans: readonly Plan[],
  freed: readonly bigint[],
  dryRun: boolean,
): Deduplicated {
  const sum = (counts: readonly bigint[]) => countToJson(counts.reduce((all, count) => all + count, 0n));
  return {
    images: where,
    dryRun,
    givenBytes: sum(plans.map(({ givenBytes }) => givenBytes)),
    freedBytes: sum(freed),
    parents: plans.map(
      ({ link, ghosts, givenBytes }, index): DeduplicatedParent => ({
        images: link.where,
        ghosts: ghosts.length,
        packed: ghosts.filter(({ isWhole }) => isWhole).length,
        givenBytes: countToJson(givenBytes),
        freedBytes: countToJson(freed[index] ?? 0n),
      }),
    ),
  };
}

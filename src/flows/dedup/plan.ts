/** Finds what each parent can give up for the sake of a packed directory, and writes nothing. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { Level } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { hasGiven } from '../../chain/given.js';
import { isPacked, packedGhosts } from '../../chain/packed.js';
import { pairGhosts } from '../../chain/pair.js';
import { assertCanPunch } from '../chain/move.js';
import { type Link, type Opening, type OpenLayers, openLayers, Parents } from '../chain/open-layers.js';
import { type Context, whenMoving } from '../context.js';

export interface Replacing {
  ghost: ManifestGhost;
  /** The same file in the parent, where the child has nothing in common with it. */
  over?: { link: Link; ghost: ManifestGhost };
}

export interface GhostPlan {
  /**
   * The ghost in the child, and how far up its parent's ghost is: 1 for the nearest parent, 2 for the next.
   */
  child: Replacing;
  depth: number;
  ghost: ManifestGhost;
  /** The parent's ghost is an image, and must be packed before it can give something up. */
  isWhole: boolean;
  /** The ghost gives up something that no earlier record has. */
  isNew: boolean;
  /** Bytes that the ghost's image, or the data of its layer, takes now. */
  allocated: bigint;
}

export interface Plan {
  link: Link;
  /** Only ghosts that have something to give up, or have given something up. */
  ghosts: GhostPlan[];
  /** Bytes of data that the parent gives up and had not given up before. */
  givenBytes: bigint;
  /** Bytes that would be free, as far as that is known. */
  wouldFree: bigint;
  /** The images of all ghosts of the parent that were looked at (assertOnce). */
  seen: Set<string>;
}

/**
 * @param punches whether holes will be punched: then a file system that cannot is an error
 * @throws NO_HOLES
 */
export async function planGiving(
  context: Context,
  links: readonly Link[],
  { punches }: { punches: boolean },
): Promise<Plan[]> {
  const [child, ...ancestors] = links as [Link, ...Link[]];
  const plans = ancestors.map(
    (link): Plan => ({
      link,
      ghosts: [],
      givenBytes: 0n,
      wouldFree: 0n,
      seen: new Set(),
    }),
  );
  for (const each of replacing(child, ancestors)) {
    const layers = await openReplacing(context, child, each, { writable: punches });
    try {
      for (let depth = 1; depth < layers.levels.length; depth += 1)
        await planLevel(context, layers, depth, each, plans[depth - 1] as Plan, punches);
    } catch (error) {
      throw explain(error, child, each.ghost);
    } finally {
      layers.close();
    }
  }
  return plans;
}

/**
 * The ghosts of the child that have replaced something in the parent. A ghost that has nothing in common with
 * the same file in the parent names no ghost there, and has replaced that file as a whole. We know the same
 * file by device, inode and time of birth, because a path alone is not enough here.
 */
function replacing({ manifest }: Link, [parent]: readonly Link[]): Replacing[] {
  const named = packedGhosts(manifest).filter(({ layer }) => layer.parent);
  const others = manifest.ghosts.filter(({ layer }) => !layer?.parent);
  const taken = new Set(named.map(({ layer }) => layer.parent?.id));
  const free = (parent?.manifest.ghosts ?? []).filter(({ id }) => !taken.has(id));
  const pairs = [...pairGhosts(others, free)].filter(
    ([one, other]) =>
      one.dev === other.dev &&
      one.ino === other.ino &&
      // A file that had not changed since its birth has no time of birth in the manifest (birthOf). Then
      // pairGhosts has found the same path.
      (one.birth === other.birth || one.birth === undefined || other.birth === undefined),
  );
  return [
    ...named.map(ghost => ({ ghost })),
    ...pairs.map(([ghost, other]) => ({ ghost, over: { link: parent as Link, ghost: other } })),
  ];
}

/** The layers of the ghost in the child and in all parents. The caller closes them. */
export function openReplacing(
  context: Context,
  child: Link,
  { ghost, over }: Replacing,
  opening: Opening = {},
): Promise<OpenLayers> {
  return openLayers(context, child, ghost, new Parents(context), { ...opening, ...(over ? { over } : {}) });
}

async function planLevel(
  context: Context,
  layers: OpenLayers,
  depth: number,
  child: Replacing,
  plan: Plan,
  punches: boolean,
): Promise<void> {
  const { files, engine } = context.host;
  const level = layers.levels[depth] as Level;
  const { ghost } = layers.at[depth] as OpenLayers['at'][number];
  assertOnce(plan, ghost);
  const report = await layers.use(levels => engine.giveUp(levels, depth, undefined, 1, whenMoving(context)));
  const isNew = report.size > 0n;
  if (!isNew && !(isPacked(ghost) && hasGiven(ghost))) return;
  const isWhole = 'imageFd' in level;
  const { allocated } = files.stat('imageFd' in level ? level.imageFd : level.dataFd);
  plan.ghosts.push({ child, depth, ghost, isWhole, isNew, allocated });
  plan.givenBytes += report.dataBytes;
  if (allocated > report.keptBytes) plan.wouldFree += allocated - report.keptBytes;
  if (punches && !isWhole) await assertCanPunch(context, level, plan.link.where);
}

/**
 * Only one ghost of the child may need GHOST, because a second may need what the first has replaced. No pack
 * makes such a pair. @throws CHAIN_WRONG
 */
function assertOnce({ link: { where }, seen }: Plan, { image, id, path }: ManifestGhost): void {
  if (!seen.has(image)) {
    seen.add(image);
    return;
  }
  throw new GhostkeepError(
    'CHAIN_WRONG',
    where,
    `cannot free anything in ${where}: two ghosts need its ghost ${showId(id)} (${path})`,
  );
}

/** Gives an error the name of the ghost, and of its directory, for whose sake a parent gives something up. */
export function explain(error: unknown, { where }: Link, { id, path, image }: ManifestGhost): unknown {
  if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) return error;
  const code = errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO';
  return translate(error, code, image, `cannot free anything for ghost ${showId(id)} (${path}) of ${where}`);
}

/** Takes a checkpoint out of a history. Every other checkpoint there can be restored as before. */
import type { Forgotten, ForgottenChild } from '../../base/documents/generated/forgotten.js';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Files } from '../../base/host/host.js';
import { countToJson } from '../../base/units.js';
import { folder, manifestName } from '../../image/layout.js';
import { holdsDump, readSealedManifest } from '../../image/manifest.js';
import { unregisterChild } from '../chain/children.js';
import { type Link, Parents } from '../chain/open-layers.js';
import type { Context } from '../context.js';
import { removeLeftovers } from '../directory/leftovers.js';
import { asOwner } from '../directory/owner.js';
import { tidy } from '../history/tidy.js';
import { assertNoMemoryOf, findHeirs, type Opened, readHeir } from './heirs.js';
import { inherit } from './inherit.js';
import { sortFiles } from './known-files.js';
import { assertRoomFor, type Plan, planHeir } from './plan.js';
import { removeCheckpoint } from './remove.js';
import { renameTaker } from './rename-taker.js';

export interface ForgetRequest {
  images: string;
  /** Only say what would be done. */
  dryRun?: boolean;
  /** Children that are not there were removed: nothing is kept for them. */
  childrenRemoved?: boolean;
}

/**
 * One child after the other takes over what it needs of the checkpoint. When no child needs the checkpoint
 * any more, its files are removed. If the command is killed in between, it can be run again.
 * @throws HAS_CHILDREN, NO_SPACE, IN_USE, CHAIN_…, IMAGE_… before a byte is written; IMAGE_… and IO also
 * later, and then the checkpoint stays
 */
export async function forget(context: Context, request: ForgetRequest): Promise<Forgotten> {
  const { files } = context.host;
  const { images, dryRun = false, childrenRemoved = false } = request;
  return asOwner(context, images, async owned => {
    const where = files.realPath(images);
    const link: Checkpoint = { images: owned, where, manifest: readCheckpoint(files, owned) };
    assertNoMemoryOf(context, where);
    const { needing, others } = findHeirs(context, owned, childrenRemoved);
    return asOwners(context, needing, [], async heirs => {
      if (!dryRun) for (const each of [owned, ...heirs.map(heir => heir.images)]) tidyIfSealed(files, each);
      const plans: Plan[] = [];
      for (const heir of heirs)
        plans.push(await planHeir(context, readHeir(context, heir, ofOurs(link)), ofOurs(link)));
      assertRoomFor(context, plans, `cannot forget ${where}`);
      return withParent(context, link, plans, async above => {
        if (!dryRun && above) tidy(files, above.images);
        if (!dryRun && above) await renameTaker(context, ofOurs(link), heirs, above);
        if (!dryRun) for (const plan of plans) await inherit(context, plan, above);
        if (!dryRun) await tidyServed(context, others);
        return goAway(context, link, plans, above, dryRun);
      });
    });
  });
}

/** A checkpoint of CRIU's without ghosts has no manifest, and nothing can need it. */
type Checkpoint = Omit<Link, 'manifest'> & { manifest: Manifest | undefined };

/** @throws MANIFEST_MISSING where it is no checkpoint, or one that is not finished */
function readCheckpoint(files: Files, images: string): Manifest | undefined {
  try {
    return readSealedManifest(files, images);
  } catch (error) {
    const mayBeAlone = error instanceof GhostkeepError && error.code === 'MANIFEST_MISSING';
    if (!mayBeAlone || holdsDump(files, images) || files.exists(`${images}/${folder}`)) throw error;
    // A command that was killed just before it removed the directory has left it empty.
    const isFinished = files.exists(`${images}/inventory.img`);
    if (isFinished || isEmptyFolder(files, images)) return undefined;
    throw error;
  }
}

function isEmptyFolder(files: Files, path: string): boolean {
  try {
    return files.exists(path) && files.list(path).length === 0;
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

function ofOurs({ manifest, ...link }: Checkpoint): Link {
  if (manifest) return { ...link, manifest };
  throw new GhostkeepError(
    'MANIFEST_MISSING',
    link.where,
    `cannot forget ${link.where}: other directories need it, and it has no ${manifestName}`,
  );
}

/**
 * Does WORK as the owner of all these directories, so that nobody else writes into any of the children
 * meanwhile.
 */
async function asOwners<T>(
  context: Context,
  [first, ...rest]: readonly string[],
  owned: readonly Opened[],
  work: (owned: readonly Opened[]) => Promise<T>,
): Promise<T> {
  if (first === undefined) return work(owned);
  return asOwner(context, first, images =>
    asOwners(context, rest, [...owned, { images, name: first }], work),
  );
}

/** The parent of the checkpoint that goes gets its children, so it must not change meanwhile. */
async function withParent<T>(
  context: Context,
  link: Checkpoint,
  plans: readonly Plan[],
  work: (above: Link | undefined) => Promise<T>,
): Promise<T> {
  if (!link.manifest?.parent) return work(undefined);
  let above: Link;
  try {
    above = new Parents(context).above(ofOurs(link));
  } catch (error) {
    if (plans.length > 0 || !(error instanceof GhostkeepError)) throw error;
    context.log.info(`the parent of ${link.where} is not told that it goes: ${reasonOf(error)}`);
    return work(undefined);
  }
  return asOwner(context, above.images, images => work({ ...above, images }));
}

function tidyIfSealed(files: Files, images: string): void {
  if (files.exists(`${images}/${manifestName}`)) tidy(files, images);
}

/**
 * Tidies directories that a killed forget may have served already: the files that they had before may still
 * be there.
 */
async function tidyServed(context: Context, directories: readonly string[]): Promise<void> {
  for (const directory of directories)
    try {
      await asOwner(context, directory, images => tidyIfSealed(context.host.files, images));
    } catch (error) {
      if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) throw error;
      context.log.info(`${directory} is left as it is: ${reasonOf(error)}`);
    }
}

async function goAway(
  context: Context,
  link: Checkpoint,
  plans: readonly Plan[],
  above: Link | undefined,
  dryRun: boolean,
): Promise<Forgotten> {
  const { files } = context.host;
  if (!dryRun) removeLeftovers(context, link.images);
  const { known, foreign } = sortFiles(files, link.images, link.manifest);
  const left = foreign.filter(name => !dryRun || name !== folder);
  const child = link.manifest?.parent?.child;
  const unregister = () => above && child !== undefined && unregisterChild(context, above.images, child);
  const isGone = dryRun ? left.length === 0 : removeCheckpoint(files, link, known, unregister);
  return {
    images: link.where,
    dryRun,
    children: plans.map(plan => toChild(plan, above)),
    removedBytes: countToJson(known.reduce((sum, { size }) => sum + size, 0n)),
    directoryRemoved: isGone,
    left,
  };
}

function toChild({ heir, shares, bytes }: Plan, above: Link | undefined): ForgottenChild {
  const joined = shares.filter(({ parent }) => parent).length;
  return {
    images: heir.where,
    ...(joined > 0 && above ? { parent: above.where } : {}),
    joined,
    whole: shares.length - joined,
    bytes: countToJson(bytes),
  };
}

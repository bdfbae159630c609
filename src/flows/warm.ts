/**
 * The warm pass: what is large is copied while the container still runs, so that little is left to do when it stands still.
 *
 * Nothing of it is believed. When all is frozen the ghosts are found anew, and a dump over a warm image compares every
 * byte with what is there and writes what differs (GK_DUMP_OVER): a time stamp is no proof, because a store into a mapping
 * need not change one. Where blocks can be shared, the freeze copies nothing anyway: then only dirty pages, for which
 * sharing would have to wait, are written to disk now.
 */
import { availableParallelism } from 'node:os';
import { GhostkeepError, reasonOf } from '../base/errors.js';
import type { Files, IdMap } from '../base/host.js';
import { inParallel } from '../base/parallel.js';
import { showBytes } from '../base/units.js';
import { findGhosts } from '../ghost/find.js';
import type { Ghost } from '../ghost/ghost.js';
import { folder, warmName } from '../image/layout.js';
import type { Policy } from '../oci/policy.js';
import { type Context, whenMoving } from './context.js';
import { type CopyTarget, describeCopy, imageMode } from './copy.js';
import { describeGhost } from './describe.js';
import { namespacesOf } from './namespaces.js';
import { describe, type PinnedGhost, pinGhosts, unpinGhosts } from './pin.js';
import { type WarmImage, WarmImages } from './warm-images.js';

/** Allocated. Below, a copy takes a millisecond or two, and its comparison not much less. */
const worthBytes = 4n << 20n;

/** Of these, large ranges are reflinked when the image lies on the same one. */
const sharing = new Set(['xfs', 'btrfs']);

/** Copy what is large of the ghosts of PIDS. Whatever goes wrong is left to the dump, which will say so. */
export async function warmUp(
  context: Context,
  target: CopyTarget,
  pids: readonly number[],
): Promise<WarmImages> {
  const { files, processes } = context.host;
  const warm = new WarmImages(files, target.images);
  try {
    const large = findGhosts(processes, pids).ghosts.filter(ghost => isWorthIt(ghost, target.policy));
    if (large.length === 0) return warm;
    files.makeDirectory(`${target.images}/${folder}`);
    const { ids } = namespacesOf(processes, pids);
    await inParallel(large, availableParallelism(), async (ghost, index) => {
      const image = await copyWarm(context, target, ghost, ids, index + 1);
      if (image) warm.add(image);
    });
    const bytes = large.reduce((sum, { stat }) => sum + stat.allocated, 0n);
    context.log.info(`before the freeze: ${large.length} ghosts, ${showBytes(bytes)} allocated`);
  } catch (error) {
    context.log.info(`what could not be copied before the freeze is copied then: ${reasonOf(error)}`);
  }
  return warm;
}

function isWorthIt({ keep, class: ghostClass, stat }: Ghost, { limit }: Policy): boolean {
  const isOurs = keep === 'ghostkeep' && ghostClass !== 'linked';
  return isOurs && stat.allocated >= worthBytes && (limit === undefined || stat.allocated <= limit);
}

/** Undefined where a warm image is of no use. @throws when there is no room, and the pass should end */
async function copyWarm(
  context: Context,
  target: CopyTarget,
  ghost: Ghost,
  ids: IdMap,
  id: number,
): Promise<WarmImage | undefined> {
  const { processes, files } = context.host;
  let pinned: PinnedGhost[] = [];
  try {
    pinned = pinGhosts(processes, [ghost]);
    return await copyPinned(context, target, pinned[0] as PinnedGhost, ids, id);
  } catch (error) {
    files.remove(`${target.images}/${warmName(id)}`);
    if (error instanceof GhostkeepError && error.code === 'NO_SPACE') throw error;
    context.log.info(`${describe(ghost)} is not copied before the freeze: ${reasonOf(error)}`);
    return undefined;
  } finally {
    unpinGhosts(processes, pinned);
  }
}

async function copyPinned(
  context: Context,
  { images, policy, criu }: CopyTarget,
  pinned: PinnedGhost,
  ids: IdMap,
  id: number,
): Promise<WarmImage | undefined> {
  const { engine, files } = context.host;
  const { fd, stat, ghost } = pinned;
  const image = warmName(id);
  const path = `${images}/${image}`;
  if (sharing.has(ghost.filesystem)) await engine.writeBack(fd, stat.size, whenMoving(context));
  files.remove(path);
  const imageFd = files.create(path, imageMode(criu));
  let isKept = false;
  try {
    const entry = describeGhost(context, pinned, ids, id, image);
    const copy = describeCopy({ entry, fd, stat }, policy);
    const { ways } = await engine.dump({ ...copy, imageFd, engine: policy.engine }, whenMoving(context));
    assertRoom(files, images, policy);
    isKept = !ways.includes('reflink');
    if (!isKept) files.remove(path);
    return isKept ? { fd: imageFd, image, stat } : undefined;
  } finally {
    if (!isKept) files.close(imageFd);
  }
}

function assertRoom(files: Files, images: string, { reserve }: Policy): void {
  const free = files.freeBytes(images);
  if (free >= reserve) return;
  throw new GhostkeepError(
    'NO_SPACE',
    images,
    `${showBytes(free)} are free and the policy reserves ${showBytes(reserve)}`,
  );
}

/** find → choose → pin → copy → journal. Sealing (seal.ts) makes it a dump. */
import { availableParallelism } from 'node:os';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import { parseIdMaps } from '../../base/id-map.js';
import { inParallel } from '../../base/parallel.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { type Found, findGhosts } from '../../ghost/find/find.js';
import type { Ghost } from '../../ghost/ghost.js';
import { folder, linkedName, manifestName, pendingName, reserveName } from '../../image/layout.js';
import { readInventory, writeJournal } from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import { syncImage } from '../../image/sync-image.js';
import type { Policy } from '../../oci/policy.js';
import { chooseGhosts, needsCopy } from '../choose/choose.js';
import { assertFrozen, checkWriters } from '../choose/frozen.js';
import { type LeftOut, leaveGhost, noteLeftOut } from '../choose/left-out.js';
import { type PinnedGhost, pinGhosts, unpinGhosts } from '../choose/pin.js';
import { namespacesOf } from '../container/namespaces.js';
import type { Context } from '../context.js';
import { removeImagesAlone } from '../directory/other-images.js';
import { copySmall } from './copy-batch.js';
import { type Copy, type CopyTarget, copyGhost } from './copy-one.js';
import { describeGhost, describeLinked, type Linked } from './describe.js';
import { startState } from './describe-again.js';
import type { WarmImages } from './warm-images.js';

/** Kept free for what sealing itself writes, so that a full disk shows before CRIU has finished, not after. */
const sealReserveBytes = 1024 * 1024;

export interface DumpRequest extends CopyTarget {
  pids: readonly number[];
  container?: string;
  /** What the warm pass has copied. */
  warm?: WarmImages;
  /** It is an error that a process runs. */
  requireFrozen?: boolean;
}

export interface Dumped {
  journal: Manifest;
  found: Found;
}

/** Copy all ghosts of PIDS that are ours to keep. The processes should not run meanwhile: whoever calls has frozen them. */
export async function dumpGhosts(context: Context, request: DumpRequest): Promise<Dumped> {
  const { host } = context;
  const { pids, policy, criu, requireFrozen = false } = request;
  if (requireFrozen) assertFrozen(context, pids);
  const found = findGhosts(host.processes, pids, context.alive);
  const { chosen, leftOut } = chooseGhosts(context, found, policy, criu);
  const copied = chosen.filter(needsCopy);
  if (!criu) checkWriters(context, copied, pids, requireFrozen);
  const leave = (ghost: Ghost, why: string) => leftOut.push(leaveGhost(ghost, why));
  const pinned = pinGhosts(host.processes, copied, criu ? undefined : leave);
  try {
    const linked = describeLinked(context, chosen);
    return { journal: await dumpPinned(context, request, pinned, linked, leftOut), found };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    const where = host.files.realPath(request.images);
    throw translate(error, 'IO', where, `cannot dump into ${where}`);
  } finally {
    unpinGhosts(host.processes, pinned);
    request.warm?.discard();
  }
}

async function dumpPinned(
  context: Context,
  request: DumpRequest,
  pinned: readonly PinnedGhost[],
  linked: Linked,
  leftOut: readonly LeftOut[],
): Promise<Manifest> {
  const { images, warm } = request;
  const needed = pinned.length > 0 || linked.links !== undefined || !request.criu;
  const mayTake = warm !== undefined && warm.count > 0 && isOwnFolder(context, images);
  const earlier = pinned.map(({ ghost, stat }) =>
    mayTake && ghost.class !== 'linked' ? warm.take(stat) : undefined,
  );
  // What nobody has taken may hold the room that others need.
  warm?.discard();
  if (!request.criu) removeImagesAlone(context, images);
  startImages(context, images, needed, earlier);
  try {
    const journal = makeJournal(context, request, pinned, linked, earlier);
    await copyAll(context, request, toCopies(pinned, journal, earlier));
    // CRIU does not wait for the disk either, and its processes stand still.
    if (!request.criu)
      for (const { image } of journal.ghosts)
        syncImage(context.host.files, images, image, 'while the processes live, dump them again, elsewhere');
    journal.state = 'dumped';
    delete journal.idMaps;
    Object.assign(journal, noteLeftOut(context.log, leftOut));
    if (needed) writeJournal(context.host.files, images, journal, false);
    return journal;
  } catch (error) {
    // What was copied is of no use without the rest, and may fill the disk.
    startImages(context, images, false);
    throw error;
  }
}

/**
 * An image directory may be used again: what an earlier dump left there must not pass for this one's.
 * @param earlier names of images that are this one's already
 */
export function startImages(
  context: Context,
  images: string,
  needed: boolean,
  earlier: readonly (string | undefined)[] = [],
): void {
  const { files } = context.host;
  const ours = `${images}/${folder}`;
  const kept = new Set(earlier.filter(name => name !== undefined));
  const isOwn = isOwnFolder(context, images);
  // Behind a link it is not this dump's.
  if (isOwn) files.remove(`${images}/${manifestName}`);
  if (kept.size === 0 || !isOwn) files.removeTree(ours);
  else
    for (const name of files.list(ours))
      if (!kept.has(`${folder}/${name}`)) files.removeTree(`${ours}/${name}`);
  if (needed) files.makeDirectory(`${images}/${folder}`);
}

/** @param earlier names of images that ghosts, in their order, have already */
export function makeJournal(
  context: Context,
  request: DumpRequest,
  pinned: readonly PinnedGhost[],
  linked: Linked,
  earlier: readonly (string | undefined)[] = [],
): Manifest {
  const { files, processes } = context.host;
  const earlierInventory = request.criu ? readInventory(files, request.images) : undefined;
  // A process whose main thread has ended shows them no more; a thread of it that holds a ghost does.
  const holders = pinned.flatMap(({ ghost }) => ghost.holders[0]?.pid ?? []);
  const { idMaps, mountNamespace } = namespacesOf(processes, [...request.pids, ...holders]);
  const ids = parseIdMaps(idMaps);
  return {
    format: 'ghostkeep',
    version: 1,
    tool: context.tool,
    state: 'pinned',
    created: context.host.now().toISOString(),
    ...(request.container ? { container: request.container } : {}),
    mountNamespace: mountNamespace !== processes.mountNamespace(processes.self()),
    criu: request.criu,
    ...(request.criu
      ? { heldBy: { pid: processes.self(), startTime: processes.startTime(processes.self()) } }
      : {}),
    ...(earlierInventory ? { earlierInventory } : {}),
    idMaps,
    ghosts: pinned.map((pin, index) => {
      context.alive?.();
      const name = request.criu && pin.ghost.class === 'linked' ? linkedName : pendingName;
      return describeGhost(context, pin, ids, index + 1, earlier[index] ?? name(index + 1));
    }),
    ...linked,
  };
}

/** CRIU's keys of all files it shall leave to us. */
export function keysOfJournal({ ghosts, links = [] }: Manifest): string[] {
  return [...new Set([...ghosts.flatMap(ghost => ghost.key), ...links.map(link => link.key)])];
}

/** @param earlier as makeJournal's */
export function toCopies(
  pinned: readonly PinnedGhost[],
  journal: Manifest,
  earlier: readonly (string | undefined)[] = [],
): Copy[] {
  const dump = startState(journal);
  return pinned.map(({ fd, stat }, index) => ({
    fd,
    stat,
    dump,
    entry: journal.ghosts[index] as ManifestGhost,
    over: earlier[index] !== undefined,
  }));
}

/** Copy each ghost into the image its journal entry names, and note in the entry what was written. */
export async function copyAll(context: Context, target: CopyTarget, copies: readonly Copy[]): Promise<void> {
  const { images, policy } = target;
  // No line in the log for each: there may be 10,000, all stands still, and the manifest says it.
  await inParallel(copySmall(context, copies, target), availableParallelism(), async copy => {
    copy.entry.data = await copyGhost(context, copy, target);
  });
  if (copies.length === 0) return;
  const sum = (field: 'bytes' | 'kept') =>
    copies.reduce((all, { entry: { data } }) => all + countFromJson(data?.[field] ?? 0), 0n);
  const before = copies.some(({ entry: { data } }) => data?.kept !== undefined)
    ? `, ${showBytes(sum('kept'))} of the images before the freeze`
    : '';
  context.log.info(`copied ${copies.length} ghosts: ${showBytes(sum('bytes'))} of data${before}`);
  assertReserve(context, images, policy);
  setAside(context.host, images);
}

/** Allocated, not written: a megabyte of zeroes takes its time, and all stands still. */
function setAside({ files, engine }: Host, images: string): void {
  const path = `${images}/${reserveName}`;
  files.remove(path);
  const fd = files.create(path);
  try {
    engine.allocate(fd, 0n, BigInt(sealReserveBytes));
  } catch (error) {
    if (!noAllocation.has(errnoOf(error) ?? ''))
      throw translate(error, 'IO', images, `cannot set room aside in ${files.realPath(images)}`);
    files.replace(path, Buffer.alloc(sealReserveBytes), false);
  } finally {
    files.close(fd);
  }
}

/** Of file systems that cannot allocate, NFSv3 for one: there it has to be written. */
const noAllocation = new Set(['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL']);

function assertReserve({ host: { files } }: Context, images: string, policy: Policy): void {
  const free = files.freeBytes(images);
  if (free === undefined || free >= policy.reserve) return;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'NO_SPACE',
    where,
    `cannot finish the dump: ${showBytes(free)} are free in ${where} and the policy reserves ${showBytes(policy.reserve)}; make room or lower \`reserve\``,
  );
}

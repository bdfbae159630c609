import { availableParallelism } from 'node:os';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import { inParallel } from '../../base/parallel.js';
import { counted } from '../../base/text/counted.js';
import { showBytes } from '../../base/units.js';
import { reserveName } from '../../image/layout.js';
import { summarize } from '../../image/summary.js';
import type { Policy } from '../../oci/policy.js';
import type { PinnedGhost } from '../choose/pin.js';
import type { Context } from '../context.js';
import { dataAtMost } from '../steps.js';
import { copySmall } from './copy-batch.js';
import { type Copy, type CopyTarget, copyGhost, createAnew } from './copy-one.js';
import { startState } from './describe-again.js';

/**
 * Disk space that we keep free for the files that sealing writes, so that a full disk shows before CRIU has
 * finished and not after.
 */
const sealReserveBytes = 1024 * 1024;

/** @param earlier as in makeJournal */
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

/**
 * Copies each ghost into the image that its journal entry names. Each copy gets an entry that says what was
 * written, which the caller puts into the journal.
 */
export async function copyAll(context: Context, target: CopyTarget, copies: readonly Copy[]): Promise<void> {
  const { images, policy } = target;
  context.progress?.begin({
    what: 'copying',
    item: 'ghost',
    items: copies.length,
    bytes: () => bytesOf(copies, policy),
  });
  // Ghosts get no log line each: there may be 10,000, the container is frozen, and the manifest lists them.
  await inParallel(copySmall(context, copies, target), availableParallelism(), async copy => {
    const data = await copyGhost(context, copy, target);
    copy.entry = { ...copy.entry, data };
    context.progress?.did();
  });
  if (copies.length === 0) return;
  const { ghosts, bytes, beforeFreeze } = summarize({ ghosts: copies.map(({ entry }) => entry) });
  const before = beforeFreeze > 0n ? `, ${showBytes(beforeFreeze)} of the images before the freeze` : '';
  context.log.info(`copied ${counted(ghosts, 'ghost')}: ${showBytes(bytes)} of data${before}`);
  leaveReserve(context, images, policy);
}

/** Sets aside the room that sealing needs, if the policy's reserve is free. @throws NO_SPACE, IO */
export function leaveReserve(context: Context, images: string, policy: Policy): void {
  assertReserve(context, images, policy);
  setAside(context.host, images);
}

/**
 * The bytes that progress counts. A digest reads the image once more. No more is copied than is allocated, or
 * than the file is long.
 */
function bytesOf(copies: readonly Copy[], { verify }: Policy): bigint {
  const sum = dataAtMost(copies);
  return verify === 'digest' ? 2n * sum : sum;
}

/**
 * Allocates the space and does not write it: writing a megabyte of zeroes takes time while the container is
 * frozen.
 */
function setAside({ files, engine }: Host, images: string): void {
  const path = `${images}/${reserveName}`;
  const fd = createAnew(files, path);
  try {
    engine.allocate(fd, 0n, BigInt(sealReserveBytes));
  } catch (error) {
    if (!noAllocation.has(errnoOf(error) ?? ''))
      throw translate(error, 'IO', images, `cannot set room aside in ${files.realPath(images)}`);
    files.replace(path, Buffer.alloc(sealReserveBytes), { durable: false });
  } finally {
    files.close(fd);
  }
}

/** Errors of file systems that cannot allocate, for example NFSv3: there we write the zeroes. */
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

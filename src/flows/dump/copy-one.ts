import type { GhostData, ManifestGhost, Moved } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { EngineReport, FileStat, Files } from '../../base/host/host.js';
import { countToJson, parseDev, showBytes } from '../../base/units.js';
import { encodeGhostHead, isChunked } from '../../criu/ghost-file.js';
import { showIdentity } from '../../ghost/ghost.js';
import { showDigest } from '../../image/verify.js';
import type { Policy } from '../../oci/policy.js';
import type { DumpOf } from '../choose/shared-shm.js';
import { type Context, whenMoving } from '../context.js';
import { factsOf, type Prepared } from '../prepared/prepared.js';
import { nameOf } from './describe.js';
import { type Described, describeAgain } from './describe-again.js';

/**
 * A ghost is copied this many times at most: a process outside the frozen container may write to it
 * meanwhile.
 */
const attempts = 3;

/** The most unwritten ranges that the manifest has room for: maxItems of its schema. */
const mostRanges = 4096;

/**
 * st_blocks counts more than data: the rest of the last block, and ext4's tree of extents, for which we allow
 * some bytes for each chunk of data.
 */
const restBytes = 8192n;
const treeBytesPerChunk = 16n;

/** A ghost to copy, and the entry that names its image. */
export interface Copy extends Described {
  /** The image is one from before the freeze. Its bytes that are right stay, and only others are written. */
  over?: boolean;
}

/** The directory of the images, and how they are written. */
export interface CopyTarget {
  images: string;
  policy: Policy;
  /** The images belong to a CRIU checkpoint. */
  criu: boolean;
  /** Entries that were prepared before the freeze. */
  prepared?: Prepared | undefined;
}

/** Takes the content of ghosts to where their images will be. */
export interface Elsewhere {
  /** Says in the manifest where the ghosts are. */
  moved(): Moved;
  /**
   * As copyAll does, it notes in the entries what was taken. All of it is on a disk when this returns.
   * @returns what was taken: all but files with a name that the dump may lack
   */
  take(context: Context, target: CopyTarget & DumpOf, copies: readonly Copy[]): Promise<ReadonlySet<Copy>>;
}

/**
 * Writes a ghost's image at IMAGES/entry.image. @returns what the image holds
 * @throws GHOST_CHANGED, NO_SPACE, IO
 */
export async function copyGhost(context: Context, copy: Copy, target: CopyTarget): Promise<GhostData> {
  const { files } = context.host;
  if (copy.over) {
    try {
      return await copyOnce(context, copy, target);
    } catch (error) {
      // Without the earlier image the copy may succeed, whatever the error was.
      files.remove(`${target.images}/${copy.entry.image}`);
      if (isChanged(error) && isNamed(copy)) throw error;
      startAnew(
        context,
        copy,
        `could not be copied over its image from before the freeze (${reasonOf(error)})`,
      );
    }
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await copyOnce(context, copy, target);
    } catch (error) {
      files.remove(`${target.images}/${copy.entry.image}`);
      if (!isChanged(error) || attempt === attempts || isNamed(copy)) throw error;
      startAnew(context, copy, hasChanged);
    }
  }
}

const isChanged = (error: unknown) => error instanceof GhostkeepError && error.code === 'GHOST_CHANGED';

/**
 * Is it a named file? One that changes is not copied again: another container of the pod writes to it and
 * goes on doing so, and meanwhile this container would stay frozen.
 */
const isNamed = ({ entry }: Copy) => entry.class === 'named';

export const hasChanged = 'changed while it was copied';

/** Prepares another try after the image was removed: the ghost has changed, so we look at it again. */
export function startAnew(context: Context, copy: Copy, why: string): void {
  context.log.warn(`${nameOf(copy.entry)} ${why}, trying again`, {
    ghost: showIdentity(copy.stat),
  });
  copy.stat = context.host.processes.statPin(copy.fd);
  copy.over = false;
  // A prepared entry has its text already, so it is not changed.
  copy.entry = { ...copy.entry };
  describeAgain(context, copy);
}

async function copyOnce(
  context: Context,
  copy: Copy,
  { images, policy, criu }: CopyTarget,
): Promise<GhostData> {
  const { files, engine, processes } = context.host;
  const { entry, fd, stat, over } = copy;
  const path = `${images}/${entry.image}`;
  let imageFd: number | undefined;
  try {
    imageFd = over ? files.openWritable(path) : createAnew(files, path, imageMode({ criu }));
    const report = await engine.dump(
      { ...describeCopy(copy, policy), imageFd, engine: policy.engine },
      whenMoving(context),
    );
    if (!isUnchanged(stat, processes.statPin(fd))) throw changed(entry, criu);
    const digest =
      policy.verify === 'digest'
        ? showDigest((await engine.digest(imageFd, whenMoving(context))).crc32c)
        : undefined;
    const written = imageFd;
    imageFd = undefined;
    // Some servers report a failed write only at close.
    files.close(written);
    return { ...toData(context, copy, report), ...(digest ? { digest } : {}) };
  } catch (error) {
    throw failure(context, entry, images, error);
  } finally {
    if (imageFd !== undefined) files.close(imageFd);
  }
}

/** Describes a ghost for the engine, in the same way whether it is copied alone or with others. */
export function describeCopy({ entry, fd, stat, over = false }: Copy, policy: Policy) {
  return {
    ghostFd: fd,
    over,
    size: stat.size,
    chunked: isChunked(stat.size),
    detectZeroes: policy.detectZeroes ?? false,
    header: factsOf(entry)?.header ?? headerOf(entry, stat),
  };
}

function headerOf(entry: ManifestGhost, stat: FileStat): Buffer {
  return encodeGhostHead({
    uid: entry.uid,
    gid: entry.gid,
    mode: entry.mode,
    dev: parseDev(entry.physicalDev),
    ino: stat.ino,
    size: stat.size,
    atimeNs: stat.atimeNs,
    mtimeNs: stat.mtimeNs,
  });
}

/**
 * Everybody who can enter the folder may read the images that CRIU reads. An image that only `ghostkeep
 * restore` reads is for its owner alone.
 */
export function imageMode({ criu }: { criu: boolean }): number {
  return criu ? 0o644 : 0o600;
}

/**
 * A dump that was interrupted may have left a file. That is rare, so we do not look before we create one.
 */
export function createAnew(files: Files, path: string, mode?: number): number {
  try {
    return files.create(path, mode);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    files.remove(path);
    return files.create(path, mode);
  }
}

/**
 * The places where the ghost has space that it never wrote. We ask for them only if more is allocated than
 * there is data, so that most ghosts cost no extra call while the container is frozen.
 */
function allocationOf(
  { host: { engine }, log }: Context,
  copy: Copy,
  report: EngineReport,
): Pick<GhostData, 'allocation'> {
  if (!mayHaveUnwritten(copy, report)) return { allocation: [] };
  const {
    entry,
    fd,
    stat: { size },
  } = copy;
  const allocation: NonNullable<GhostData['allocation']> = [];
  try {
    const found = engine.allocation(fd, size);
    if (!found) return {};
    for (const { offset, length } of found) {
      if (allocation.length === mostRanges) {
        log.warn(
          `${nameOf(entry)} has unwritten space in more than ${mostRanges} places: the others are not noted`,
        );
        break;
      }
      allocation.push({ offset: countToJson(offset), length: countToJson(length) });
    }
  } catch (error) {
    // All bytes of the ghost are copied; only the places of its unwritten space are unknown.
    if (errnoOf(error) === undefined) throw error;
    log.warn(`cannot find the space that ${nameOf(entry)} has allocated: ${reasonOf(error)}`);
    return {};
  }
  return { allocation };
}

/** Is more allocated than there is data? */
export function mayHaveUnwritten({ stat }: Copy, { dataBytes, chunks }: EngineReport): boolean {
  return stat.allocated > dataBytes + restBytes + chunks * treeBytesPerChunk;
}

export function isUnchanged(before: FileStat, after: FileStat): boolean {
  return before.size === after.size && before.mtimeNs === after.mtimeNs && before.ctimeNs === after.ctimeNs;
}

/**
 * The error for a ghost that changes while it is copied. CRIU has frozen the processes of its checkpoint, so
 * under CRIU only another process can write.
 */
export function changed(entry: ManifestGhost, criu: boolean): GhostkeepError {
  const wayOut = criu
    ? 'stop the process outside the container that writes to it, and try again'
    : '`ghostkeep dump --freeze` freezes the processes that it dumps; any other writer must be stopped';
  return new GhostkeepError(
    'GHOST_CHANGED',
    `${entry.dev}/${entry.ino}`,
    `cannot dump ${nameOf(entry)}: it is written to while it is copied; ${wayOut}`,
  );
}

export function toData(context: Context, copy: Copy, report: EngineReport): GhostData {
  return {
    bytes: countToJson(report.dataBytes),
    chunks: countToJson(report.chunks),
    unwritten: countToJson(report.unwrittenBytes),
    imageBytes: countToJson(report.imageBytes),
    engine: report.engine,
    fallbacks: report.fallbacks,
    why: report.why,
    ways: report.ways,
    ...(copy.over ? { kept: countToJson(report.keptBytes) } : {}),
    ...allocationOf(context, copy, report),
  };
}

function failure(
  { host: { files } }: Context,
  entry: ManifestGhost,
  images: string,
  error: unknown,
): GhostkeepError {
  const errno = errnoOf(error);
  const where = files.realPath(images);
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    const free = files.freeBytes(images);
    const left = free === undefined ? 'it does not say how much is free' : `${showBytes(free)} are free`;
    return new GhostkeepError(
      'NO_SPACE',
      where,
      `cannot dump ${nameOf(entry)}: no space left in ${where}; it has ${showBytes(BigInt(entry.allocated))} allocated, ${left}; make room or choose another image directory`,
      { cause: error },
    );
  }
  const subject = `${entry.dev}/${entry.ino}`;
  if (errno === 'EOVERFLOW') {
    return new GhostkeepError(
      'GHOST_OVER_LIMIT',
      subject,
      `cannot dump ${nameOf(entry)}: ${reasonOf(error)}; engine \`seek\` trusts its file system about holes, engine \`read\` reads every byte`,
      { cause: error },
    );
  }
  return translate(error, 'IO', subject, `cannot dump ${nameOf(entry)} into ${where}`);
}

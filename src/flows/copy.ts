import type { GhostData, ManifestGhost } from '../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../base/errors.js';
import type { EngineReport, FileStat } from '../base/host.js';
import { countToJson, parseDev, showBytes, showTime, timeToNs } from '../base/units.js';
import { encodeGhostHead, isChunked } from '../criu/ghost-file.js';
import { showIdentity } from '../ghost/ghost.js';
import { showDigest } from '../image/verify.js';
import type { Policy } from '../oci/policy.js';
import { type Context, whenMoving } from './context.js';

/** A writer outside the frozen container may be in our way; it gets this many chances to pause. */
const attempts = 3;

/** A descriptor on a ghost, and the journal's entry that says where its image goes. */
export interface Copy {
  entry: ManifestGhost;
  fd: number;
  /** Of the descriptor, before anything was read. */
  stat: FileStat;
}

/** Write a ghost's image at IMAGES/entry.image and return what is in it. @throws GHOST_CHANGED, NO_SPACE, IO */
export async function copyGhost(
  context: Context,
  copy: Copy,
  images: string,
  policy: Policy,
): Promise<GhostData> {
  const { files, processes } = context.host;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await copyOnce(context, copy, images, policy);
    } catch (error) {
      files.remove(`${images}/${copy.entry.image}`);
      const changed = error instanceof GhostkeepError && error.code === 'GHOST_CHANGED';
      if (!changed || attempt === attempts) throw error;
      context.log.warn(`${nameOf(copy.entry)} changed while it was copied, trying again`, {
        ghost: showIdentity(copy.stat),
      });
      copy.stat = processes.statPin(copy.fd);
      noteStat(copy);
    }
  }
}

/** `ghost 8:1/4711 (/data/tmp)` */
export function nameOf(entry: ManifestGhost): string {
  return `ghost ${entry.dev}/${entry.ino} (${entry.path})`;
}

async function copyOnce(
  context: Context,
  { entry, fd, stat }: Copy,
  images: string,
  policy: Policy,
): Promise<GhostData> {
  const { host } = context;
  const path = `${images}/${entry.image}`;
  host.files.remove(path);
  let imageFd: number | undefined;
  try {
    imageFd = host.files.create(path);
    const moving = whenMoving(context);
    const header = encodeGhostHead({
      uid: entry.uid,
      gid: entry.gid,
      mode: entry.mode,
      dev: parseDev(entry.physicalDev),
      ino: stat.ino,
      size: stat.size,
      atimeNs: timeToNs(entry.atime),
      mtimeNs: timeToNs(entry.mtime),
    });
    const request = {
      ghostFd: fd,
      imageFd,
      engine: policy.engine,
      size: stat.size,
      chunked: isChunked(stat.size),
      header,
    };
    const report = await host.engine.dump(request, moving);
    assertUnchanged(entry, stat, host.processes.statPin(fd));
    const digest =
      policy.verify === 'digest' ? showDigest((await host.engine.digest(imageFd, moving)).crc32c) : undefined;
    return toData(report, digest);
  } catch (error) {
    throw failure(context, entry, images, error);
  } finally {
    if (imageFd !== undefined) host.files.close(imageFd);
  }
}

function assertUnchanged(entry: ManifestGhost, before: FileStat, after: FileStat): void {
  const same =
    before.size === after.size && before.mtimeNs === after.mtimeNs && before.ctimeNs === after.ctimeNs;
  if (same) return;
  throw new GhostkeepError(
    'GHOST_CHANGED',
    `${entry.dev}/${entry.ino}`,
    `cannot dump ${nameOf(entry)}: somebody outside the container writes to it; stop the writer and try again`,
  );
}

/** The file may have changed since its entry was written: while it was only pinned, or while it was copied. */
export function noteStat({ entry, stat }: Copy): void {
  entry.size = countToJson(stat.size);
  entry.allocated = countToJson(stat.allocated);
  entry.mode = stat.mode;
  entry.nlink = stat.nlink;
  entry.mtime = showTime(stat.mtimeNs);
  entry.atime = showTime(stat.atimeNs);
}

function toData(report: EngineReport, digest: string | undefined): GhostData {
  return {
    bytes: countToJson(report.dataBytes),
    chunks: countToJson(report.chunks),
    unwritten: countToJson(report.unwrittenBytes),
    imageBytes: countToJson(report.imageBytes),
    engine: report.engine,
    fallbacks: report.fallbacks,
    ways: report.ways,
    ...(digest ? { digest } : {}),
  };
}

function failure(
  { host: { files } }: Context,
  entry: ManifestGhost,
  images: string,
  error: unknown,
): GhostkeepError {
  const errno = errnoOf(error);
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    const where = files.realPath(images);
    return new GhostkeepError(
      'NO_SPACE',
      where,
      `cannot dump ${nameOf(entry)}: no space left in ${where}; it has ${showBytes(BigInt(entry.allocated))} allocated, ${showBytes(files.freeBytes(images))} are free; make room or choose another image directory`,
      { cause: error },
    );
  }
  return translate(error, 'IO', `${entry.dev}/${entry.ino}`, `cannot dump ${nameOf(entry)}`);
}

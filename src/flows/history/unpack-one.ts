import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { EngineReport } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson, countToJson, parseDev, parseTime } from '../../base/units.js';
import type { PackedGhost } from '../../chain/packed.js';
import { encodeGhostHead, isChunked } from '../../criu/ghost-file.js';
import { showDigest } from '../../image/verify.js';
import { type Link, openLayers, type Parents } from '../chain/open-layers.js';
import { aliveWhenMoving, type Context, whenMoving } from '../context.js';
import { assertSame, readImageAgain } from './read-again.js';

/**
 * Writes the image of a packed ghost at PATH, which must not exist, and waits until the disk has it.
 * @returns the ghost's entry for a manifest that says that it is whole
 */
export async function unpackGhost(
  context: Context,
  link: Link,
  ghost: PackedGhost,
  parents: Parents,
  path: string,
): Promise<ManifestGhost> {
  const { files, engine } = context.host;
  const { layer } = ghost;
  const action = `cannot put ghost ${showId(ghost.id)} (${ghost.path}) of ${link.where} together`;
  const layers = await openLayers(context, link, ghost, parents);
  let fd: number | undefined;
  try {
    fd = files.create(path);
    const to = fd;
    const head = headOf(ghost);
    const report = await layers.use(levels => engine.unpack(levels, to, head, whenMoving(context)));
    if (report.size !== countFromJson(ghost.size))
      throw new GhostkeepError(
        'IMAGE_MISMATCH',
        layer.map,
        `${action}: ${layer.map} has another size than the manifest`,
      );
    assertSame(await engine.check(fd, aliveWhenMoving(context)), report, path);
    files.matchOwner([path], `${link.images}/${layer.map}`);
    await files.flush(fd);
    const whole = await wholeGhost(context, ghost, fd, report);
    // WHOLE has the digest of the image by now, so a byte that changes after this check is found by that
    // digest.
    await readImageAgain(context, ghost, layers.levels, fd, head, report);
    return whole;
  } catch (error) {
    throw translate(error, errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO', layer.map, action);
  } finally {
    if (fd !== undefined) files.close(fd);
    layers.close();
  }
}

/**
 * @param report the engine's report of the ghost's image
 * @returns the ghost's entry for a manifest that says that it is whole
 */
export async function wholeGhost(
  context: Context,
  { layer, ...whole }: PackedGhost,
  fd: number,
  report: EngineReport,
): Promise<ManifestGhost> {
  if (!whole.data) return whole;
  const { digest, ...data } = whole.data;
  const { engine } = context.host;
  return {
    ...whole,
    data: {
      ...data,
      bytes: countToJson(report.dataBytes),
      chunks: countToJson(report.chunks),
      imageBytes: countToJson(report.imageBytes),
      ...(digest === undefined
        ? {}
        : { digest: showDigest((await engine.digest(fd, aliveWhenMoving(context))).crc32c) }),
    },
  };
}

/**
 * The head of the image as CRIU writes it. @throws IMAGE_INVALID if the ghost is so small that CRIU writes
 * its image without chunks
 */
export function headOf(ghost: PackedGhost): Buffer {
  const size = countFromJson(ghost.size);
  if (!isChunked(size))
    throw new GhostkeepError(
      'IMAGE_INVALID',
      ghost.layer.map,
      `ghost ${showId(ghost.id)} (${ghost.path}) is too small to be packed: nobody has packed it`,
    );
  return encodeGhostHead({
    uid: ghost.uid,
    gid: ghost.gid,
    mode: ghost.mode,
    dev: parseDev(ghost.physicalDev),
    ino: countFromJson(ghost.ino),
    size,
    atimeNs: nanoseconds(ghost.atime),
    mtimeNs: nanoseconds(ghost.mtime),
  });
}

function nanoseconds(time: string): bigint {
  const { seconds, nanoseconds } = parseTime(time);
  return seconds * 1_000_000_000n + nanoseconds;
}

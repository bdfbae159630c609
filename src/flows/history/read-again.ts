/**
 * Reads again what was just written, before anything goes that has the same bytes. It reads what the kernel
 * has, so it finds faults of ours and of memory; a disk that could not write says so at fsync.
 */
import { GhostkeepError } from '../../base/errors.js';
import type { EngineReport, Level } from '../../base/host/host.js';
import { countFromJson } from '../../base/units.js';
import type { PackedGhost } from '../../chain/packed.js';
import { aliveWhenMoving, type Context } from '../context.js';

/**
 * Map and data must be what was to be written: each unit here has its digest, and the map has its name, which
 * the engine made of the records in its memory. The units in the parent were compared byte by byte.
 * @returns the name of the layer
 * @throws IO, EBADMSG
 */
export async function readLayerAgain(
  context: Context,
  layer: Level & { mapFd: number },
  written: EngineReport & { name: string },
  name: string,
): Promise<string> {
  const { engine } = context.host;
  const checked = await engine.checkLayer([layer], aliveWhenMoving(context));
  const isSame = checked.size === written.size && checked.keptBytes === written.keptBytes;
  if (isSame && (await engine.layerName(layer.mapFd)) === written.name) return written.name;
  throw new GhostkeepError('IO', name, 'the layer that was written cannot be read again as it was');
}

const unitBytes = 65536n;

/**
 * An image that was put together must have the digest of each unit that LEVELS name, and every chunk header.
 * @param header the head of the image
 * @throws IO, EBADMSG
 */
export async function readImageAgain(
  context: Context,
  { size, image }: PackedGhost,
  levels: readonly Level[],
  fd: number,
  header: Uint8Array,
  written: EngineReport,
): Promise<void> {
  const all = { first: countFromJson(size) / unitBytes + 1n, mostBytes: 1n << 62n, checkFrom: 0n };
  const { report } = await context.host.engine.unpackPart(levels, fd, header, all, aliveWhenMoving(context));
  assertSame(report, written, image);
}

/** The layers go when the image is there, so another reader must find in it what was written. @throws IO */
export function assertSame(found: EngineReport, written: EngineReport, path: string): void {
  const parts = ({ size, chunks, dataBytes, imageBytes }: EngineReport) =>
    [size, chunks, dataBytes, imageBytes].join();
  if (parts(found) === parts(written)) return;
  throw new GhostkeepError('IO', path, 'the image that was written cannot be read again as it was');
}

/**
 * Reads again what was just written, before another copy of the same bytes is removed. It reads what
 * the kernel has in memory, so it finds faults of ours and of memory. A disk that could not write says so at
 * fsync.
 */
import { GhostkeepError } from '../../base/errors.js';
import type { EngineReport, Level } from '../../base/host/host.js';
import { countFromJson } from '../../base/units.js';
import type { PackedGhost } from '../../chain/packed.js';
import { aliveWhenMoving, type Context } from '../context.js';

/**
 * Asserts that map and data are what the engine was to write. Each unit in the data must have the digest that
 * the map has for it. The name of the layer, made of the map as it is read now, must be the one that the
 * engine made of the records in its memory. The units that are in the parent were compared byte by byte
 * before.
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
 * Asserts that an image that was put together has every chunk header, and that each of its units has the
 * digest that the maps in LEVELS have for it.
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

/**
 * Asserts that a reader has found in the image what the engine has written, because the layers are removed
 * next. @throws IO
 */
export function assertSame(found: EngineReport, written: EngineReport, path: string): void {
  const parts = ({ size, chunks, dataBytes, imageBytes }: EngineReport) =>
    [size, chunks, dataBytes, imageBytes].join();
  if (parts(found) === parts(written)) return;
  throw new GhostkeepError('IO', path, 'the image that was written cannot be read again as it was');
}

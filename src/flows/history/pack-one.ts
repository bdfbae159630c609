import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { EngineReport } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { countToJson } from '../../base/units.js';
import { fileIn, type PackedGhost } from '../../chain/packed.js';
import { layerNames } from '../../image/layout.js';
import { type Link, openLayers, type Parents } from '../chain/open-layers.js';
import { aliveWhenMoving, type Context, whenMoving } from '../context.js';

export interface PackOne {
  child: Link;
  parent: Link;
  ghost: ManifestGhost;
  /** The same file in the parent. */
  other: ManifestGhost;
  parents: Parents;
}

/**
 * Writes map and data of one ghost, and reads them again to see that the disk has what was written.
 * @returns undefined where the parent has nothing of it; then no file is left
 */
export async function packGhost(context: Context, request: PackOne): Promise<PackedGhost | undefined> {
  const { child, parent, ghost, other, parents } = request;
  const { files, engine } = context.host;
  const names = layerNames(ghost.id);
  const above = await openLayers(context, parent, other, parents);
  const fds: number[] = [];
  const open = (fd: number) => {
    fds.push(fd);
    return fd;
  };
  try {
    const imageFd = open(files.open(`${child.images}/${ghost.image}`));
    const mapFd = open(files.create(`${child.images}/${names.map}`));
    const dataFd = open(files.create(`${child.images}/${names.data}`));
    const written = await above.use(parent =>
      engine.pack({ ghost: [{ imageFd }], parent, mapFd, dataFd }, whenMoving(context)),
    );
    if (written.keptBytes === 0n) {
      for (const name of [names.map, names.data]) files.remove(`${child.images}/${name}`);
      return undefined;
    }
    files.matchOwner(
      [`${child.images}/${names.map}`, `${child.images}/${names.data}`],
      `${child.images}/${ghost.image}`,
    );
    for (const fd of [mapFd, dataFd]) await files.flush(fd);
    assertSame(await engine.checkLayer([{ mapFd, dataFd }], aliveWhenMoving(context)), written);
    return {
      ...ghost,
      layer: {
        ...names,
        name: await engine.layerName(mapFd),
        mapBytes: countToJson(written.imageBytes),
        dataBytes: countToJson(written.dataBytes),
        parentBytes: countToJson(written.keptBytes),
        parent: fileIn(other),
      },
    };
  } catch (error) {
    const code = errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO';
    throw translate(
      error,
      code,
      ghost.image,
      `cannot pack ghost ${showId(ghost.id)} (${ghost.path}) of ${child.where}`,
    );
  } finally {
    for (const fd of fds) files.close(fd);
    above.close();
  }
}

/**
 * Map and data were read again. They must be as long as what was written, and their digests were checked.
 * The bytes in the parent were compared one by one, while nobody else could write there.
 */
function assertSame(checked: EngineReport, written: EngineReport): void {
  if (checked.size === written.size && checked.keptBytes === written.keptBytes) return;
  throw new GhostkeepError('IO', 'layer', 'the layer that was written cannot be read again as it was');
}

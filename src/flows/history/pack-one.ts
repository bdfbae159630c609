import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, translate } from '../../base/errors.js';
import { showId } from '../../base/text/ghost-id.js';
import { countToJson } from '../../base/units.js';
import { fileIn, type PackedGhost } from '../../chain/packed.js';
import { layerNames } from '../../image/layout.js';
import { type Link, openLayers, type Parents } from '../chain/open-layers.js';
import { type Context, whenMoving } from '../context.js';
import { readLayerAgain } from './read-again.js';

export interface PackOne {
  child: Link;
  parent: Link;
  ghost: ManifestGhost;
  /** The parent's ghost that is the same file as GHOST. */
  other: ManifestGhost;
  parents: Parents;
}

/**
 * Writes the map and the data of a layer for one ghost, waits until the disk has both, and reads both again.
 * @returns undefined if the parent has none of the ghost's content; then no file is left
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
    const name = await readLayerAgain(context, { mapFd, dataFd }, written, names.map);
    return {
      ...ghost,
      layer: {
        ...names,
        name,
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

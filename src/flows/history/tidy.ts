import type { Files } from '../../base/host/host.js';
import { isPacked, type PackedGhost } from '../../chain/packed.js';
import { isHalfWritten, isLayerName, isWholeName, manifestName, wholeName } from '../../image/layout.js';
import { readSealedManifest } from '../../image/manifest.js';

/**
 * Removes what a killed `pack`, `dedup`, `materialize` or `forget` has left in IMAGES. The manifest decides.
 * A layer that it does not name goes, because the layer is half-written or no longer needed. The image of a
 * ghost that it calls packed goes, because the ghost's layer is on the disk. The caller is the owner of
 * IMAGES.
 */
export function tidy(files: Files, images: string): void {
  const packed = readSealedManifest(files, images).ghosts.filter(isPacked);
  const named = new Set(
    packed.flatMap(({ layer }) => [layer.map, layer.data, ...(layer.given ? [layer.given.record] : [])]),
  );
  // An interrupted `materialize --auto-dedup` may have moved bytes of a ghost into an image here, and these
  // bytes may be nowhere else. So that image stays, under its temporary name or its final one.
  const isHere = (ghost: PackedGhost) => ghost.layer.moved?.path === '.';
  for (const ghost of packed.filter(isHere)) named.add(wholeName(ghost.id));
  const spare = new Set(packed.filter(ghost => !isHere(ghost)).map(({ image }) => image));
  const isLeft = (name: string) =>
    ((isLayerName(name) || isWholeName(name)) && !named.has(name)) || isHalfWritten(name) || spare.has(name);
  const left = files.list(images).filter(isLeft);
  // The images go only when the disk surely has the manifest that does not need them.
  if (left.some(name => spare.has(name))) {
    files.sync(`${images}/${manifestName}`);
    files.syncFolder(images);
  }
  for (const name of left) files.remove(`${images}/${name}`);
  if (left.length > 0) files.syncFolder(images);
}

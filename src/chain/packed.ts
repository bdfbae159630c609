/** A packed directory keeps parts of its ghosts in another one, its parent. */
import type { Layer, Manifest, ManifestGhost } from '../base/documents/generated/manifest.js';
import { countFromJson } from '../base/units.js';

/** How many parents a directory may have, one above the other. The engine has the same bound. */
export const mostParents = 32;

export type PackedGhost = ManifestGhost & { layer: Layer };

export const isPacked = (ghost: ManifestGhost): ghost is PackedGhost => ghost.layer !== undefined;

export const packedGhosts = ({ ghosts }: Manifest): PackedGhost[] => ghosts.filter(isPacked);

/** Bytes of a packed ghost that are not zero, here and in the parent. */
export const bytesOf = ({ layer }: PackedGhost) =>
  countFromJson(layer.dataBytes) + countFromJson(layer.parentBytes);

/** The note that a child keeps about the same file in its parent. */
export const fileIn = ({ id, dev, ino, birth }: ManifestGhost): NonNullable<Layer['parent']> => ({
  id,
  dev,
  ino,
  ...(birth === undefined ? {} : { birth }),
});

/** @returns undefined where GHOSTS no longer have that file: another may have its id, or its inode number */
export function findIn(
  ghosts: readonly ManifestGhost[],
  wanted: NonNullable<Layer['parent']>,
): ManifestGhost | undefined {
  return ghosts.find(
    ({ id, dev, ino, birth }) =>
      id === wanted.id && dev === wanted.dev && String(ino) === String(wanted.ino) && birth === wanted.birth,
  );
}

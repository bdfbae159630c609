/** The name that each ghost's file gets in the folder of a restore. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { Files } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { safePath } from '../../base/text/safe-name.js';

export type Naming = (ghost: ManifestGhost) => string;

/** `ghost-1`, `ghost-0xa`: nobody but us has chosen it. */
export const byId: Naming = ({ id }) => `ghost-${showId(id)}`;

/**
 * The old base name, made harmless. The image may come from anybody, so no folder of the old path is made.
 * The first of several ghosts with one name gets it, and the others get it with their id. So does a ghost
 * whose name is that of a file in FOLDER.
 */
export function byOldName(files: Files, folder: string): Naming {
  const taken = new Set<string>();
  return ghost => {
    const { name } = safePath(pathFromText(ghost));
    const isFree = !taken.has(name) && !files.exists(`${folder}/${name}`);
    const own = isFree ? name : `${name}.${byId(ghost)}`;
    taken.add(own);
    return own;
  };
}

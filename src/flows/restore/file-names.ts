/** Chooses the name of each ghost's file in the folder of a restore. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { Files } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { safePath } from '../../base/text/safe-name.js';

export type Naming = (ghost: ManifestGhost) => string;

/** `ghost-1`, `ghost-0xa`: a name with no text from the image in it. */
export const byId: Naming = ({ id }) => `ghost-${showId(id)}`;

/**
 * A ghost may have a name that ends like this. Another ghost could get the same name when its id is added to
 * its own.
 */
const endsWithId = /\.ghost-[0-9a-fx]+$/;

/**
 * The old base name, made harmless. The image may come from anybody, so no folder of the old path is made.
 * The first of several ghosts with one name gets it, and the others get it with their id. So does a ghost
 * whose name is that of a file in FOLDER, or that ends like a name with an id.
 */
export function byOldName(files: Files, folder: string): Naming {
  const taken = new Set<string>();
  return ghost => {
    const { name } = safePath(pathFromText(ghost));
    const isFree = !endsWithId.test(name) && !taken.has(name) && !files.exists(`${folder}/${name}`);
    const own = isFree ? name : `${name}.${byId(ghost)}`;
    taken.add(own);
    return own;
  };
}

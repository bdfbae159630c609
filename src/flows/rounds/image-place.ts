import { foldersOfBases } from '../bases/base-records.js';
import { isPassingFolder, passingFolder } from '../bases/passing-folder.js';
import { findImagePlace } from '../container/image-place.js';
import type { Context } from '../context.js';

/**
 * Chooses the directory for bases of PIDS. It lies on the file system where the container's engine will put
 * the images.
 * @throws NO_IMAGE_PLACE
 */
export function chooseDirectory(context: Context, pids: readonly number[], container?: string): string {
  const what = container === undefined ? 'these processes' : `container ${container}`;
  const { folder, own } = findImagePlace(context, pids, what);
  if (own) return folder;
  const place = context.host.files.realPath(folder);
  return (
    foldersOfBases(context, place, pids).find(one => isPassingFolder(one, place)) ?? passingFolder(place)
  );
}

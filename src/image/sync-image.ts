import { errnoOf, GhostkeepError, reasonOf, translate } from '../base/errors.js';
import type { Files } from '../base/host/host.js';

/**
 * Waits until an image is on the disk. If the disk fails after write(2) has returned, only the first fsync(2)
 * reports that; the next one succeeds although bytes are missing. So a caller that can still copy again calls
 * this before it vouches for the image. @throws IO, NO_SPACE
 */
export function syncImage(files: Files, images: string, image: string, wayOut: string): void {
  try {
    files.sync(`${images}/${image}`);
  } catch (error) {
    // These errors mean that the file is not regular. We write regular files, so somebody else has put it
    // there.
    const isOther = ['EINVAL', 'ELOOP'].includes(errnoOf(error) ?? '');
    const { code } = translate(error, isOther ? 'IMAGE_INVALID' : 'IO', image, image);
    const message = `cannot write ${image} to its disk, part of it is lost: ${reasonOf(error)}; ${wayOut}`;
    throw new GhostkeepError(code, image, message, { cause: error });
  }
}

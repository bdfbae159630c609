import { errnoOf, GhostkeepError, reasonOf, translate } from '../base/errors.js';
import type { Files } from '../base/host/host.js';

/**
 * What a disk could not take after write(2) had returned is told once, to the first fsync(2): the next one
 * succeeds, and the bytes are missing. So whoever can still copy again asks before anything vouches for the
 * image. @throws IO, NO_SPACE
 */
export function syncImage(files: Files, images: string, image: string, wayOut: string): void {
  try {
    files.sync(`${images}/${image}`);
  } catch (error) {
    // Somebody has put it there: what we write is a regular file.
    const isOther = ['EINVAL', 'ELOOP'].includes(errnoOf(error) ?? '');
    const { code } = translate(error, isOther ? 'IMAGE_INVALID' : 'IO', image, image);
    const message = `cannot write ${image} to its disk, part of it is lost: ${reasonOf(error)}; ${wayOut}`;
    throw new GhostkeepError(code, image, message, { cause: error });
  }
}

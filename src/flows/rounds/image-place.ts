import { GhostkeepError } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';

/**
 * Where will the engine of CONTAINER put its images? A base must lie on that file system.
 * @throws NO_IMAGE_PLACE
 */
export function findImagePlace(_host: Host, container: string | undefined): string {
  const what = container === undefined ? 'these processes' : `container ${container}`;
  throw new GhostkeepError(
    'NO_IMAGE_PLACE',
    what,
    `cannot tell where the images of ${what} will lie; give -D, a directory on the same file system`,
  );
}

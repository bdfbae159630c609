import { GhostkeepError } from '../../base/errors.js';
import { showBytes } from '../../base/units.js';
import type { Policy } from '../../oci/policy.js';
import type { PinnedGhost } from '../choose/pin.js';
import { chooseFitting } from '../choose/pin-named.js';
import { mayLack } from '../choose/shared-shm.js';
import type { Context } from '../context.js';

/**
 * A disk that is too small for the ghosts, or for the named files that the dump may not lack, must show
 * before the container is gone. Other named files that do not fit are left out.
 * @param there bytes that bases of the ghosts take already
 * @throws NO_SPACE
 */
export function leaveOutTooLarge(
  context: Context,
  request: { images: string; pids: readonly number[]; policy: Policy },
  pinned: readonly PinnedGhost[],
  there: bigint,
): PinnedGhost[] {
  const { images, policy } = request;
  const devices = new Set(pinned.flatMap(({ ghost, stat }) => (ghost.class === 'named' ? stat.dev : [])));
  const optional = new Set([...devices].filter(dev => mayLack(context, request, dev)));
  const isNeeded = ({ ghost, stat }: PinnedGhost) => ghost.class !== 'named' || !optional.has(stat.dev);
  const [ghosts, named] = [pinned.filter(isNeeded), pinned.filter(pin => !isNeeded(pin))];
  const bytes = ghosts.reduce((sum, { stat }) => sum + stat.allocated, 0n) - there;
  const needed = bytes + policy.reserve;
  const free = context.host.files.freeBytes(images);
  if (free === undefined || free >= needed)
    return [...ghosts, ...chooseFitting(context, request, named, bytes)];
  throw new GhostkeepError(
    'NO_SPACE',
    images,
    `cannot checkpoint: ${showBytes(free)} are free in ${images}, the ghosts and the policy's reserve need ${showBytes(needed)}; make room or choose another --image-path`,
  );
}

import { GhostkeepError } from '../../base/errors.js';
import { showBytes } from '../../base/units.js';
import type { Policy } from '../../oci/policy.js';
import type { PinnedGhost } from '../choose/pin.js';
import { chooseFitting } from '../choose/pin-named.js';
import type { Context } from '../context.js';

/**
 * A disk that is too small for the ghosts must show before the container is gone. Named files that do not fit
 * are left out.
 * @param there bytes that bases of the ghosts take already
 */
export function leaveOutTooLarge(
  context: Context,
  request: { images: string; pids: readonly number[]; policy: Policy },
  pinned: readonly PinnedGhost[],
  there: bigint,
): PinnedGhost[] {
  const { images, policy } = request;
  const [ghosts, named] = [pinned.filter(isOfGhost), pinned.filter(pin => !isOfGhost(pin))];
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

const isOfGhost = ({ ghost }: PinnedGhost) => ghost.class !== 'named';

import { GhostkeepError } from '../../base/errors.js';
import { showBytes } from '../../base/units.js';
import { baseName } from '../../image/layout.js';
import type { Policy } from '../../oci/policy.js';
import type { PinnedGhost } from '../choose/pin.js';
import { chooseFitting, type PinnedNamed } from '../choose/pin-named.js';
import { mayLack } from '../choose/shared-shm.js';
import type { Context } from '../context.js';

/**
 * A disk that is too small for the ghosts, or for the named files that the dump may not lack, must show
 * before the container is gone. Other named files that do not fit are left out.
 * @param bases the names of the bases in the directory, and the bytes that each takes: its ghost needs that
 * much less, and the room is free for no other file
 * @throws NO_SPACE
 */
export function leaveOutTooLarge(
  context: Context,
  request: { images: string; pids: readonly number[]; policy: Policy },
  pinned: readonly PinnedGhost[],
  bases: ReadonlyMap<string, bigint>,
): PinnedGhost[] {
  const { images, policy } = request;
  const devices = new Set(pinned.flatMap(({ ghost, stat }) => (ghost.class === 'named' ? stat.dev : [])));
  const optional = new Set([...devices].filter(dev => mayLack(context, request, dev)));
  const isNeeded = ({ ghost, stat }: PinnedGhost) => ghost.class !== 'named' || !optional.has(stat.dev);
  const ghosts = pinned.filter(isNeeded);
  const named = pinned.filter(pin => !isNeeded(pin)).map(pin => withBase(pin, bases));
  const bytes = ghosts.reduce((sum, pin) => sum + missing(pin, bases), 0n);
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

function withBase(pin: PinnedGhost, bases: ReadonlyMap<string, bigint>): PinnedNamed {
  const base = baseName(pin.stat);
  return bases.has(base) ? { ...pin, warm: base } : pin;
}

/** Bytes that the ghost still needs on the disk. */
function missing({ stat }: PinnedGhost, bases: ReadonlyMap<string, bigint>): bigint {
  const there = bases.get(baseName(stat)) ?? 0n;
  return there < stat.allocated ? stat.allocated - there : 0n;
}

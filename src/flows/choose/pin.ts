import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { FileStat, Pin, ProcessView, Refused } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { type Ghost, type Holder, showGhost, showIdentity } from '../../ghost/ghost.js';

/** A ghost and our descriptor on it: from here on it cannot vanish. */
export interface PinnedGhost {
  ghost: Ghost;
  fd: number;
  /** Of the descriptor, before anything was read. */
  stat: FileStat;
  /** What was asked when it was opened; undefined: still to be asked. */
  inodeFlags?: number;
  hasXattrs?: boolean;
}

/** A call, and then a sign of life: the slowest server opens that many before whoever waits gives up. */
const mostAtOnce = 1024;

/**
 * Pin all or none. The caller unpins.
 * @param leave takes what cannot be opened, and why: then the others are pinned without it
 * @throws HOLDER_GONE, PERMISSION, GHOST_CHANGED
 */
export function pinGhosts(
  processes: ProcessView,
  ghosts: readonly Ghost[],
  leave?: (ghost: Ghost, why: string) => void,
  alive = () => {},
): PinnedGhost[] {
  const held = new Set<number>();
  const pins: (Pin | Refused)[] = [];
  try {
    for (let from = 0; from < ghosts.length; from += mostAtOnce) {
      const some = ghosts.slice(from, from + mostAtOnce).map(({ holders: [first] }) => first as Holder);
      for (const pin of processes.pinAll(some)) {
        pins.push(pin);
        if ('fd' in pin) held.add(pin.fd);
      }
      alive();
    }
    return ghosts.flatMap((ghost, index) => {
      const pin = pins[index] as Pin | Refused;
      if ('fd' in pin && isSameInode(pin.stat, ghost.stat)) return { ghost, ...pin };
      const other = pinByAnyHolder(processes, ghost, leave);
      if (other) held.add(other.fd);
      if ('fd' in pin && held.delete(pin.fd)) processes.unpin(pin.fd);
      return other ?? [];
    });
  } catch (error) {
    for (const fd of held) processes.unpin(fd);
    throw error;
  }
}

/** Those that can be pinned through the first of their holders. The caller unpins. */
export function pinSome(processes: ProcessView, ghosts: readonly Ghost[]): PinnedGhost[] {
  const pins = processes.pinAll(ghosts.map(({ holders: [first] }) => first as Holder));
  return ghosts.flatMap((ghost, index) => {
    const pin = pins[index] as Pin | Refused;
    if (!('fd' in pin)) return [];
    if (isSameInode(pin.stat, ghost.stat)) return [{ ghost, ...pin }];
    processes.unpin(pin.fd);
    return [];
  });
}

export function unpinGhosts(processes: ProcessView, pinned: readonly PinnedGhost[]): void {
  for (const { fd } of pinned) processes.unpin(fd);
}

/** Reasons that say nothing of the ghost: its holder has gone, or we have no room. */
const notTheGhosts = new Set(['ENOENT', 'ESRCH', 'EBADF', 'EMFILE', 'ENFILE', 'ENOMEM', 'EINTR']);

/** Any holder will do: they all lead to the same inode, and a process may end or may not be ours to read. */
function pinByAnyHolder(
  processes: ProcessView,
  ghost: Ghost,
  leave?: (ghost: Ghost, why: string) => void,
): PinnedGhost | undefined {
  let failure: unknown;
  for (const { pid, link } of ghost.holders) {
    try {
      const fd = processes.pin(pid, link);
      const stat = statOrUnpin(processes, fd);
      if (isSameInode(stat, ghost.stat)) return { ghost, fd, stat };
      processes.unpin(fd);
    } catch (error) {
      if (!isLeased(failure)) failure = error;
    }
  }
  const name = showGhost(ghost);
  const errno = errnoOf(failure);
  if (leave && errno !== undefined && !notTheGhosts.has(errno)) {
    leave(ghost, reasonOf(failure));
    return undefined;
  }
  if (errno === 'EMFILE' || errno === 'ENFILE') {
    throw new GhostkeepError(
      'IO',
      showIdentity(ghost.stat),
      `cannot pin ${name}: no more descriptors; raise the limit of open files (RLIMIT_NOFILE) of whoever runs the checkpoint`,
      { cause: failure },
    );
  }
  if (isLeased(failure))
    throw new GhostkeepError(
      'GHOST_UNREADABLE',
      showIdentity(ghost.stat),
      `cannot pin ${name}: ${reasonOf(failure)}; let its holder give the lease up, or open it for reading and writing`,
      { cause: failure },
    );
  if (failure) throw translate(failure, 'HOLDER_GONE', showIdentity(ghost.stat), `cannot pin ${name}`);
  throw new GhostkeepError(
    'HOLDER_GONE',
    showIdentity(ghost.stat),
    `cannot pin ${name}: none of its holders has it open any more`,
  );
}

/** A file with a write lease cannot be opened without harm to its holder. */
function isLeased(failure: unknown): boolean {
  return ['EAGAIN', 'EWOULDBLOCK'].includes(errnoOf(failure) ?? '');
}

function statOrUnpin(processes: ProcessView, fd: number): FileStat {
  try {
    return processes.statPin(fd);
  } catch (error) {
    processes.unpin(fd);
    throw error;
  }
}

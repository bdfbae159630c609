import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { FileStat, Memory, Pin, ProcessView, Refused } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { type Ghost, type Holder, showGhost, showIdentity } from '../../ghost/ghost.js';

/** A ghost with a descriptor of ours on it: from now on the ghost cannot vanish. */
export interface PinnedGhost {
  ghost: Ghost;
  fd: number;
  /** Stat of the descriptor, taken before anything was read. */
  stat: FileStat;
  /** The answers from when the ghost was pinned; undefined if nobody has asked yet. */
  inodeFlags?: number;
  hasXattrs?: boolean;
}

/**
 * Ghosts that one call pins; after each call we give a sign of life. Even the slowest server opens this many
 * files before a waiting caller gives up.
 */
const mostAtOnce = 1024;

/**
 * Pins all ghosts or none. The caller unpins.
 * @param leave takes a ghost that cannot be opened, and the reason; the others are then pinned without it
 * @param memory as for ProcessView.pinAll
 * @throws HOLDER_GONE, PERMISSION, GHOST_CHANGED
 */
export function pinGhosts(
  processes: ProcessView,
  ghosts: readonly Ghost[],
  leave?: (ghost: Ghost, why: string) => void,
  alive = () => {},
  memory?: Memory,
): PinnedGhost[] {
  const held = new Set<number>();
  const pins: (Pin | Refused)[] = [];
  try {
    for (let from = 0; from < ghosts.length; from += mostAtOnce) {
      const some = ghosts.slice(from, from + mostAtOnce).map(({ holders: [first] }) => first as Holder);
      for (const pin of processes.pinAll(some, memory)) {
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

/** Pins those ghosts that can be pinned through their first holder. The caller unpins. */
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

/** Errors that say nothing about the ghost: its holder has gone, or we have no room. */
const notTheGhosts = new Set(['ENOENT', 'ESRCH', 'EBADF', 'EMFILE', 'ENFILE', 'ENOMEM', 'EINTR']);

/**
 * Tries each holder: all lead to the same inode, and a process may have ended or we may not be allowed to
 * read it.
 */
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
      `cannot pin ${name}: ${reasonOf(failure)}; let its holder give the lease up`,
      { cause: failure },
    );
  if (failure && errno !== 'ENOENT' && errno !== 'ESRCH')
    throw translate(failure, 'HOLDER_GONE', showIdentity(ghost.stat), `cannot pin ${name}`);
  throw new GhostkeepError(
    'HOLDER_GONE',
    showIdentity(ghost.stat),
    `cannot pin ${name}: none of its holders has it open any more; without CRIU, \`ghostkeep dump --freeze\` keeps them from closing it meanwhile`,
    { cause: failure },
  );
}

/**
 * Was the file not opened because a process has a write lease on it? We cannot open such a file without harm
 * to the holder of the lease.
 */
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

/**
 * Chooses which files of a shared /dev/shm a dump copies (src/ghost/find/named.ts). The dump copies all of
 * them, or is refused. If it may lack them (mayLack in shared-shm.ts), it copies those that fit.
 */
import { errnoOf } from '../../base/errors.js';
import { counted } from '../../base/text/counted.js';
import { showBytes } from '../../base/units.js';
import type { Ghost } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import type { Context } from '../context.js';
import { isOverLimit } from './choose.js';
import { type PinnedGhost, pinSome, unpinGhosts } from './pin.js';
import { type DumpOf, mayLack, refuseUnkept, unkeptOf, warnOfUnkept } from './shared-shm.js';

/**
 * A dump copies this many named files at most, and none if it has more than `mostGhosts` ghosts: the manifest
 * has no room for more, and looking at each file takes time.
 */
const mostNamed = 4000;
const mostGhosts = 20_000;

/** Bytes that an image takes besides its file's data, with the rest of its last block. */
const headBytes = 8192n;

/** A file that is open in this process, and the name of its image from before the freeze. */
export interface PinnedNamed extends PinnedGhost {
  warm?: string | undefined;
}

/**
 * Pins those of FILES that can be copied. The caller unpins them.
 * @param ghosts how many ghosts the dump has
 * @throws SHM_NOT_KEPT
 */
export function pinNamed(
  context: Context,
  dump: DumpOf,
  files: readonly Ghost[],
  ghosts: number,
): PinnedNamed[] {
  const { policy } = dump;
  if (!policy.enabled) return [];
  const leave = (file: Ghost, why: string) => refuseUnkept(context, dump, unkeptOf(file), new Error(why));
  const most = ghosts > mostGhosts ? 0 : mostNamed;
  const [more] = files.slice(most);
  if (more) {
    const count = counted(files.length - most, 'such file is', 'such files are');
    leave(more, `${count} more than the ${most} that one checkpoint keeps`);
  }
  const wanted = files.slice(0, most).filter(file => {
    if (!isOverLimit(file, policy)) return true;
    leave(file, `its ${showBytes(file.stat.allocated)} are over the policy's limit`);
    return false;
  });
  const pinned = pinSome(context.host.processes, wanted);
  const held = new Set(pinned.map(({ ghost }) => ghost));
  try {
    for (const file of wanted) if (!held.has(file)) leave(file, 'it cannot be opened');
  } catch (error) {
    unpinGhosts(context.host.processes, pinned);
    throw error;
  }
  return pinned;
}

/**
 * Chooses the named files that there is room for, and all that the dump may not lack. CRIU still has to write
 * the memory of PIDS, and room for that stays. Memory that processes share without a file is not counted, so
 * CRIU may find too little room all the same. Then the checkpoint fails, and the container runs on.
 * @param needed bytes that the ghosts still need
 */
export function chooseFitting(
  context: Context,
  { images, pids, policy }: { images: string; pids: readonly number[]; policy: Policy },
  named: readonly PinnedNamed[],
  needed = 0n,
): PinnedNamed[] {
  const { files } = context.host;
  const free = named.length > 0 ? files.freeBytes(images) : undefined;
  if (free === undefined) return [...named];
  let room = free - policy.reserve - needed - memoryOf(context, pids);
  return named.filter(pin => {
    // Its image from before the freeze has its room already.
    const most = pin.warm === undefined ? pin.stat.allocated + headBytes : 0n;
    if (most <= room || !mayLack(context, { policy, pids }, pin.stat.dev)) {
      room -= most;
      return true;
    }
    room += removeWarm(context, images, pin);
    const size = showBytes(pin.stat.allocated);
    const why = `it has ${size}, and CRIU may need the ${showBytes(free)} free in ${images}`;
    warnOfUnkept(context, unkeptOf(pin.ghost), new Error(why));
    return false;
  });
}

function memoryOf({ host: { processes } }: Context, pids: readonly number[]): bigint {
  return pids.reduce((sum, pid) => {
    try {
      return sum + processes.privateMemory(pid);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return sum;
    }
  }, 0n);
}

/** @returns the bytes that are free now */
function removeWarm({ host: { files } }: Context, images: string, { warm }: PinnedNamed): bigint {
  if (warm === undefined) return 0n;
  const path = `${images}/${warm}`;
  try {
    const { allocated } = files.statPath(path);
    files.remove(path);
    return allocated;
  } catch (error) {
    // The image may have been a base, and the watcher of the room has removed it (bases/watch-room.ts).
    if (errnoOf(error) !== 'ENOENT') throw error;
    return 0n;
  }
}

/**
 * Chooses which files of a shared /dev/shm a dump copies (src/ghost/find/named.ts). CRIU dumps such a
 * container without us, and restores it where the files still are. So nothing here fails a dump: a file that
 * is not copied gets a warning. A restore where it is missing is refused by CRIU, so none succeeds without
 * it.
 */
import { errnoOf } from '../../base/errors.js';
import { counted } from '../../base/text/counted.js';
import { showBytes } from '../../base/units.js';
import { type Ghost, pathOf } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import type { Context } from '../context.js';
import { isOverLimit } from './choose.js';
import { type PinnedGhost, pinSome } from './pin.js';

/** The manifest has room for these besides the ghosts, and looking at each takes time. */
const mostNamed = 4000;
const mostGhosts = 20_000;

/** Bytes that an image takes besides its file's data, with the rest of its last block. */
const headBytes = 8192n;

/** A file that is open in this process, and the name of its image from before the freeze. */
export interface PinnedNamed extends PinnedGhost {
  warm?: string | undefined;
}

export function warnOfLeft({ log }: Pick<Context, 'log'>, path: string, why: string): void {
  log.warn(`${path} is not copied, so it can be restored only where it still is: ${why}`);
}

/** Pins those of FILES that can be copied. The caller unpins them. @param ghosts how many a dump has */
export function pinNamed(
  context: Context,
  policy: Policy,
  files: readonly Ghost[],
  ghosts: number,
): PinnedNamed[] {
  if (!policy.enabled) return [];
  const most = ghosts > mostGhosts ? 0 : mostNamed;
  const [more] = files.slice(most);
  if (more) {
    const count = counted(files.length - most, 'such file is', 'such files are');
    leave(context, more, `${count} more than the ${most} that one checkpoint keeps`);
  }
  const wanted = files.slice(0, most).filter(file => {
    if (!isOverLimit(file, policy)) return true;
    leave(context, file, `its ${showBytes(file.stat.allocated)} are over the policy's limit`);
    return false;
  });
  const pinned = pinSome(context.host.processes, wanted);
  const held = new Set(pinned.map(({ ghost }) => ghost));
  for (const file of wanted) if (!held.has(file)) leave(context, file, 'it cannot be opened');
  return pinned;
}

/**
 * Those that there is room for. CRIU still has to write the memory of PIDS, and room for that stays. Memory
 * that processes share without a file is not counted, so CRIU may find too little all the same. Then the
 * checkpoint fails, and the container runs on.
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
    if (most <= room) {
      room -= most;
      return true;
    }
    room += removeWarm(context, images, pin);
    const size = showBytes(pin.stat.allocated);
    leave(context, pin.ghost, `it has ${size}, and CRIU may need the ${showBytes(free)} free in ${images}`);
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
  const { allocated } = files.statPath(path);
  files.remove(path);
  return allocated;
}

function leave(context: Context, file: Ghost, why: string): void {
  warnOfLeft(context, pathOf(file).toString('utf8'), why);
}

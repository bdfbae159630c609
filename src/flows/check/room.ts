/** Would the copies fit, and how long would they keep the container frozen? */
import type { Freeze, Refusal, Room } from '../../base/documents/generated/check.js';
import { errnoOf, translate } from '../../base/errors.js';
import { countToJson, showBytes } from '../../base/units.js';
import type { Found } from '../../ghost/find/find.js';
import type { Ghost } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import { needsCopy } from '../choose/choose.js';
import { type PinnedGhost, pinSome, unpinGhosts } from '../choose/pin.js';
import { type DumpOf, mayLack } from '../choose/shared-shm.js';
import { type Context, whenMoving } from '../context.js';
import { willShare } from '../rounds/copy-running.js';

export interface Estimate {
  room: Room;
  freeze: Freeze;
  refusals: Refusal[];
}

/**
 * The size of the sample: large enough that the first milliseconds do not count, small enough for a busy
 * disk.
 */
const sampleBytes = 64n << 20n;

/**
 * @param folder the image directory, or the folder in which the engine will make one; undefined if nobody
 * knows it
 */
export async function estimate(
  context: Context,
  { ghosts, named }: Found,
  { policy, pids }: DumpOf,
  folder: string | undefined,
): Promise<Estimate> {
  const { processes, files } = context.host;
  const isOurs = (ghost: Ghost) => policy.enabled && ghost.keep === 'ghostkeep' && needsCopy(ghost);
  const ours = [...ghosts, ...named].filter(isOurs);
  const pinned = pinSome(processes, ours);
  context.progress?.begin({ what: 'looking at blocks', item: 'ghost', items: pinned.length });
  try {
    const shared = folder === undefined ? [] : pinned.filter(one => shares(context, one, policy, folder));
    const isShared = new Set(shared.map(({ ghost }) => ghost));
    const copied = ours.filter(ghost => !isShared.has(ghost));
    const needed = bytesOf(copied);
    const free = folder === undefined ? undefined : files.freeBytes(folder);
    // A file on a shared /dev/shm that does not fit is no reason to refuse, if the checkpoint may lack it.
    const least = bytesOf(
      copied.filter(ghost => ghost.class !== 'named' || !mayLack(context, { policy, pids }, ghost.stat.dev)),
    );
    const isFull = free !== undefined && least + policy.reserve > free;
    const measured =
      folder === undefined || isFull ? {} : await measure(context, pinned, isShared, needed, folder);
    return {
      room: {
        ...(folder === undefined ? {} : { folder }),
        needed: countToJson(needed),
        ...(free === undefined ? {} : { free: countToJson(free) }),
      },
      freeze: {
        copied: countToJson(needed),
        shared: countToJson(bytesOf([...isShared])),
        ...(measured.ms === undefined ? {} : { atMostMs: measured.ms }),
      },
      refusals: isFull ? [noSpace(least, free, policy)] : (measured.refusals ?? []),
    };
  } finally {
    unpinGhosts(processes, pinned);
  }
}

const bytesOf = (ghosts: readonly Ghost[]) => ghosts.reduce((sum, { stat }) => sum + stat.allocated, 0n);

function noSpace(needed: bigint, free: bigint, { reserve }: Policy): Refusal {
  const kept = reserve > 0n ? `, of which the policy reserves ${showBytes(reserve)}` : '';
  return {
    code: 'NO_SPACE',
    subject: 'images',
    message: `the copies would not fit: they need ${showBytes(needed)}, and ${showBytes(free)} are free${kept}; make room, or choose another directory`,
  };
}

function noFile(folder: string, error: unknown): Refusal {
  if (errnoOf(error) === undefined) throw error;
  const { code, message } = translate(error, 'IO', 'images', `no images can be made in ${folder}`);
  return { code, subject: 'images', message: `${message}; choose another directory` };
}

/**
 * Will the image share blocks with the ghost? A ghost that cannot be looked at now counts as one that is
 * copied.
 */
function shares(context: Context, one: PinnedGhost, policy: Policy, images: string): boolean {
  try {
    return willShare(context, { images, policy }, one);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  } finally {
    context.progress?.did();
  }
}

/**
 * Copies the beginning of the largest ghost into a file without a name in FOLDER.
 * @returns the time that all of NEEDED would take at that rate, if something could be copied; a refusal where
 * no file can be made in FOLDER
 */
async function measure(
  context: Context,
  pinned: readonly PinnedGhost[],
  isShared: ReadonlySet<Ghost>,
  needed: bigint,
  folder: string,
): Promise<{ ms?: number; refusals?: Refusal[] }> {
  const { host } = context;
  if (needed === 0n) return { ms: 0 };
  const [largest] = pinned
    .filter(({ ghost }) => !isShared.has(ghost))
    .sort((a, b) => Number(b.stat.allocated - a.stat.allocated));
  if (largest === undefined) return {};
  const path = `${folder}/.ghostkeep-check-${host.processes.self()}`;
  let fd: number;
  try {
    fd = host.files.create(path);
  } catch (error) {
    return { refusals: [noFile(folder, error)] };
  }
  try {
    host.files.remove(path);
    const size = largest.stat.size < sampleBytes ? largest.stat.size : sampleBytes;
    const bytes = () => (size < largest.stat.allocated ? size : largest.stat.allocated);
    context.progress?.begin({ what: 'copying a sample', item: 'sample', items: 1, bytes });
    const start = host.clock();
    const { dataBytes } = await host.engine.copy(largest.fd, fd, size, whenMoving(context));
    const ms = host.clock() - start;
    return dataBytes === 0n ? {} : { ms: Math.ceil((ms * Number(needed)) / Number(dataBytes)) };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return {};
  } finally {
    host.files.close(fd);
  }
}

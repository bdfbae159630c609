/**
 * Copies many small ghosts in one call: for a thousand files of 16 KiB each, the calls in JavaScript took
 * several times as long as copying the bytes (decision 0008).
 */
import type { FileStat } from '../../base/host/host.js';
import type { Context } from '../context.js';
import { factsOf } from '../prepared/prepared.js';
import {
  type Copy,
  type CopyTarget,
  describeCopy,
  hasChanged,
  imageMode,
  isUnchanged,
  startAnew,
  toData,
} from './copy-one.js';

/** A larger file deserves a call and a thread of its own, and signs of life while it is copied. */
const smallBytes = 256n * 1024n;
export function isSmallFile({ size }: Pick<FileStat, 'size'>): boolean {
  return size <= smallBytes;
}

/**
 * Most files and bytes in one call, followed by a sign of life: the slowest disk writes them before the gate
 * gives up.
 */
const [mostAtOnce, mostBytesAtOnce] = [256, 8n << 20n];

/**
 * Copies the small ghosts among COPIES, and gives each an entry that says what was written.
 * @returns the copies that are still to be made: large ghosts, those that failed here, and all if the policy
 * asks for digests. They are made one by one, so that an error can name them
 */
export function copySmall(context: Context, copies: readonly Copy[], target: CopyTarget): Copy[] {
  const isSmall = ({ stat }: Copy) => isSmallFile(stat);
  // A digest is computed from the image on disk, which takes another call for each ghost.
  if (target.policy.verify === 'digest') return [...copies];
  const small = copies.filter(isSmall);
  const left = copies.filter(copy => !isSmall(copy));
  for (const batch of inBatches(small)) {
    const again = copyBatch(context, batch, target);
    for (const copy of again) left.push(copy);
    tellProgress(context, batch, again.length);
    context.alive?.();
  }
  return left;
}

function tellProgress({ progress }: Context, batch: readonly Copy[], failed: number): void {
  if (!progress) return;
  progress.did(batch.length - failed);
  // Plain numbers and no bigints, to be fast: a container may be frozen, and there may be 10,000 ghosts.
  progress.moved(BigInt(batch.reduce((sum, { entry: { data } }) => sum + Number(data?.bytes ?? 0), 0)));
}

/** Parts COPIES into batches, each as large as one call may take. */
export function* inBatches(copies: readonly Copy[]): Generator<Copy[]> {
  let [batch, bytes] = [[] as Copy[], 0n];
  for (const copy of copies) {
    if (batch.length === mostAtOnce || (batch.length > 0 && bytes + copy.stat.size > mostBytesAtOnce)) {
      yield batch;
      [batch, bytes] = [[], 0n];
    }
    batch.push(copy);
    bytes += copy.stat.size;
  }
  if (batch.length > 0) yield batch;
}

function copyBatch(context: Context, copies: readonly Copy[], target: CopyTarget): Copy[] {
  const { files } = context.host;
  const results = dumpTogether(context, copies, target);
  return copies.filter((copy, index) => {
    const result = results[index];
    if (!result || 'error' in result) {
      copy.over = false;
      return true;
    }
    if (isUnchanged(copy.stat, result.after)) {
      if (factsOf(copy.entry)?.report !== result.report)
        copy.entry = { ...copy.entry, data: toData(context, copy, result.report) };
      return false;
    }
    files.remove(`${target.images}/${copy.entry.image}`);
    startAnew(context, copy, hasChanged);
    return true;
  });
}

/**
 * Copies all of COPIES in one call. @returns the result of each, in their order; nothing is noted in the
 * entries yet
 */
export function dumpTogether(
  { host: { engine } }: Context,
  copies: readonly Copy[],
  { images, policy, criu, prepared }: CopyTarget,
) {
  const jobs = copies.map(copy => ({ ...describeCopy(copy, policy), name: copy.entry.image }));
  return engine.dumpMany(images, policy.engine, imageMode({ criu }), jobs, prepared?.memory);
}

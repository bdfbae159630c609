import type { ProgressState } from '../../base/progress.js';
import { showBytes } from '../../base/units.js';

/**
 * `copying: 38%, 3.1 GiB of 8.2 GiB, 210 MiB/s, 25 s left, 120 of 5000 ghosts`. The most important comes
 * first, because a terminal may be narrow.
 */
export function showProgress({ what, item, items, itemsDone, bytes, ...state }: ProgressState): string {
  const { bytesDone, part, ms, msLeft } = state;
  const parts = [`${Math.floor(part * 100)}%`];
  if (bytes !== undefined) parts.push(`${showBytes(bytesDone)} of ${showBytes(bytes)}`);
  if (bytesDone > 0n && ms >= 1000) parts.push(`${showBytes(rate(bytesDone, ms))}/s`);
  if (msLeft !== undefined) parts.push(`${showDuration(msLeft)} left`);
  parts.push(`${itemsDone} of ${items} ${items === 1 ? item : plural(item)}`);
  return `${what}: ${parts.join(', ')}`;
}

/** Bytes in a second. */
export function rate(bytes: bigint, ms: number): bigint {
  return ms > 0 ? BigInt(Math.round((Number(bytes) * 1000) / ms)) : 0n;
}

function showDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

const plural = (item: string) => (item.endsWith('s') ? `${item}es` : `${item}s`);

import type { Fate } from '../../flows/dedup/parent-fits.js';
import { usage } from '../args.js';

/** @throws USAGE where --discard-older is given without --auto-dedup: nothing would be discarded */
export function fateOf(
  command: string,
  values: { 'auto-dedup'?: boolean | undefined; 'discard-older'?: boolean | undefined },
): Fate {
  const { 'auto-dedup': autoDedup = false, 'discard-older': discardOlder = false } = values;
  if (discardOlder && !autoDedup) throw usage(command, '--discard-older goes with --auto-dedup');
  return { autoDedup, discardOlder };
}

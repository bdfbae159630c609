/** A row of the trial's table: our own comparison of one ghost and the new process's checks, side by side. */
import type { TrialGhost } from '../../../base/documents/generated/trial.js';
import { countToJson } from '../../../base/units.js';
import type { Examined } from './examine.js';
import type { Revived } from './revive.js';

export function toRow(
  { original, held, comparison, differences }: Revived,
  { right, wrong }: Examined,
): TrialGhost {
  const { kind, stat } = original;
  const checks = right.get(kind) ?? 0;
  const all = [...differences, ...(wrong.get(kind) ?? []).map(text => `in the new process: ${text}`)];
  if (checks === 0 && all.length === 0) all.push('the new process did not look at it');
  return {
    kind,
    size: countToJson(stat.size),
    data: countToJson(comparison?.data ?? 0n),
    compared: countToJson(comparison?.compared ?? 0n),
    holes: countToJson(comparison?.holes ?? 0n),
    times: comparison ? (comparison.timesEqual ? 'equal' : 'DIFFERENT') : 'unseen',
    held,
    checks,
    result: all.length === 0 ? 'equal' : 'DIFFERENT',
    differences: all,
  };
}

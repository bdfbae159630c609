import { groupBy } from '../../base/group-by.js';
import { showSome } from '../../base/text/show-some.js';
import type { RestoredGhost } from '../../flows/restore/make-file.js';
import { line } from './line.js';

/** One line for all ghosts: there may be thousands, with the same rights withheld of each. */
export function showWithheld(restored: readonly RestoredGhost[], trust: string): string {
  const each = restored.flatMap(({ id, withheld }) => withheld.map(what => ({ id, what })));
  if (each.length === 0) return '';
  const groups = groupBy(
    each,
    ({ what }) => what,
    ({ id }) => id,
  );
  const shown = showSome([...groups].map(([what, ids]) => `${what} (ghost ${showSome(ids)})`));
  return line(`withheld: ${shown}; where you trust ${trust}, --allow-privileged sets them`);
}

import { groupBy } from '../../base/group-by.js';
import { showId } from '../../base/text/ghost-id.js';
import { showSome } from '../../base/text/show-some.js';
import { countFromJson, showBytes } from '../../base/units.js';
import type { RestoredGhost } from '../../flows/restore/make-file.js';
import { line } from './line.js';
import { table } from './table.js';

/** The files that came back. Few of them lack something, so that column is there only where one does. */
export function showFiles(restored: readonly RestoredGhost[]): Generator<string> {
  const anyLacks = restored.some(({ missing }) => missing.length > 0);
  const rows = restored.map(({ path, ghost, missing }) => [
    path,
    showBytes(countFromJson(ghost.size)),
    ...(anyLacks ? [missing.join(', ')] : []),
    ghost.path,
  ]);
  return table(['file', 'size', ...(anyLacks ? ['could not set'] : []), 'was'], rows);
}

/** One line for all ghosts: there may be thousands, with the same rights withheld of each. */
export function showWithheld(restored: readonly RestoredGhost[], trust: string): string {
  const each = restored.flatMap(({ id, withheld }) => withheld.map(what => ({ id, what })));
  if (each.length === 0) return '';
  const groups = groupBy(
    each,
    ({ what }) => what,
    ({ id }) => showId(id),
  );
  const shown = showSome([...groups].map(([what, ids]) => `${what} (ghost ${showSome(ids)})`));
  return line(`withheld: ${shown}; where you trust ${trust}, --allow-privileged sets them`);
}

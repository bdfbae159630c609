import { toPrintable } from '../../base/text/printable.js';

/** Says how a column gives way if the lines of a table are wider than the terminal. */
export interface Column {
  name: string;
  /** The column may be left out: `first` before cells are cut, `last` only if cutting was not enough. */
  drop?: 'first' | 'last';
  /** Its cells are cut down to this many characters. */
  least?: number;
}

const gap = 2;
/** The last column, a path, always keeps this many characters. */
const leastOfLast = 12;

/**
 * Makes the lines of a table fit into WIDTH characters. The last column is cut at its beginning, because a
 * path is known by its end.
 */
export function fit(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): { head: string[]; rows: string[][] } {
  const cells = rows.map(row => row.map(toPrintable));
  const last = columns.length - 1;
  const widths = columns.map(({ name }, at) =>
    cells.reduce((widest, row) => Math.max(widest, row[at]?.length ?? 0), name.length),
  );
  const kept = new Set(columns.keys());
  const over = () =>
    [...kept].reduce(
      (sum, at) => sum + (at === last ? Math.min(widths[at] ?? 0, leastOfLast) : (widths[at] ?? 0)),
      0,
    ) +
    gap * (kept.size - 1) -
    width;
  const dropThose = (when: Column['drop']) => {
    for (const [at, { drop }] of columns.entries()) if (drop === when && over() > 0) kept.delete(at);
  };
  dropThose('first');
  for (const [at, { name, least }] of columns.entries())
    if (least !== undefined && kept.has(at) && over() > 0)
      widths[at] = Math.max(least, name.length, (widths[at] ?? 0) - over());
  dropThose('last');
  const others = [...kept].filter(at => at !== last).reduce((sum, at) => sum + (widths[at] ?? 0) + gap, 0);
  widths[last] = Math.max(leastOfLast, width - others);
  const chosen = [...kept];
  return {
    head: chosen.map(at => columns[at]?.name ?? ''),
    rows: cells.map(row =>
      chosen.map(at => (at === last ? cutStart : cutEnd)(row[at] ?? '', widths[at] ?? 0)),
    ),
  };
}

const cutEnd = (text: string, most: number) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);
const cutStart = (text: string, most: number) =>
  text.length <= most ? text : `…${text.slice(text.length - most + 1)}`;

/**
 * Breaks TEXT between words, so that no line has more than WIDTH characters. The first line follows LABEL,
 * and the others begin below it. A word that is longer than a line stays whole, because it may be a path to
 * copy.
 * @param width of a terminal; undefined where the lines go into a pipe or file, which get one line
 */
export function wrap(label: string, text: string, width: number | undefined): string {
  const lines: string[] = [];
  let current = label;
  let isEmpty = true;
  for (const word of text.split(' ')) {
    if (!isEmpty && width !== undefined && current.length + 1 + word.length > width) {
      lines.push(current);
      current = ' '.repeat(label.length);
      isEmpty = true;
    }
    current += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, current].map(each => `${each}\n`).join('');
}

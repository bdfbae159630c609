import { toPrintable } from '../../base/text/printable.js';

/**
 * Makes columns as wide as their content, whoever wrote it, and aligns numbers to the right. The last column,
 * a path, may have any length. Lines are made one by one, as they are printed.
 */
export function* table(head: readonly string[], rows: readonly (readonly string[])[]): Generator<string> {
  const last = head.length - 1;
  const widths = head.map((name, column) =>
    column === last
      ? 0
      : rows.reduce((widest, row) => Math.max(widest, toPrintable(row[column] ?? '').length), name.length),
  );
  const numeric = head.map(
    (_, column) => rows.length > 0 && rows.every(row => isNumber.test(row[column] ?? '')),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return numeric[column] ? cell.padStart(width) : column === last ? cell : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  yield `${line(head)}\n`;
  for (const row of rows) yield `${line(row.map(toPrintable))}\n`;
}

/** A count, an id, or an amount with its unit. An empty cell does not matter. */
const isNumber = /^([0-9.]+( [KMGTPE]?i?B)?|0x[0-9a-f]+)?$/;

import { toPrintable } from '../../base/text/printable.js';

/**
 * Columns wide enough for what is in them, whoever wrote it; numbers to the right. The last column is as long
 * as it likes.
 */
export function table(head: readonly string[], data: readonly (readonly string[])[]): string {
  const rows = data.map(row => row.map(toPrintable));
  const all = [head, ...rows];
  const widths = head.map((_, column) =>
    all.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0),
  );
  const numeric = head.map(
    (_, column) =>
      rows.length > 0 && rows.every(row => /^[0-9]/.test(row[column] ?? '') || row[column] === ''),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return numeric[column]
          ? cell.padStart(width)
          : column === head.length - 1
            ? cell
            : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** Shows the first eight items, and how many more there are. */
export function showSome(items: readonly (string | number)[]): string {
  const shown = items.slice(0, 8).join(', ');
  return items.length > 8 ? `${shown} and ${items.length - 8} more` : shown;
}

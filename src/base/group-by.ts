/**
 * Groups each item's VALUE by its KEY, in the order of first appearance. An item without a key is left out.
 */
export function groupBy<T, V>(
  items: Iterable<T>,
  key: (item: T) => string | undefined,
  value: (item: T) => V,
): Map<string, V[]> {
  const groups = new Map<string, V[]>();
  for (const item of items) {
    const of = key(item);
    if (of === undefined) continue;
    const group = groups.get(of);
    if (group) group.push(value(item));
    else groups.set(of, [value(item)]);
  }
  return groups;
}

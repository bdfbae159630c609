/**
 * Elements and texts of the page. Names come from containers: they only ever become text nodes, never markup.
 */

/** An element with attributes and children; children may lie in lists, and a string becomes text. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  for (const child of children.flat()) element.append(child);
  return element;
}

export function bytes(value) {
  if (value === undefined) return '';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let unit = 0;
  let shown = value;
  for (; shown >= 1024 && unit < units.length - 1; unit += 1) shown /= 1024;
  return `${shown.toFixed(unit === 0 ? 0 : 1).replace(/\.0$/, '')} ${units[unit]}`;
}

export const sum = (list, of) => list.reduce((total, each) => total + (of(each) ?? 0), 0);

/** `2026-11-30 21:49:00 UTC`, of seconds since the epoch. */
export function time(text) {
  const at = new Date(Number(text) * 1000);
  return Number.isNaN(at.getTime()) ? text : `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

export function milliseconds(microseconds) {
  return `${(microseconds / 1000).toFixed(microseconds < 10_000 ? 1 : 0)} ms`;
}

export function facts(pairs) {
  const list = make('dl', {});
  for (const [name, value] of pairs)
    if (value !== undefined && value !== '')
      list.append(make('div', {}, make('dt', {}, name), make('dd', {}, value)));
  return list;
}

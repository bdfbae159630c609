/**
 * Plots time against amount, both logarithmic, with a panel for each thing that grows. A linear cost rises by
 * one tick for each tick.
 */
import { logScale } from './plot.js';
import { ours, type Row } from './row.js';
import { document, fixed, text } from './svg.js';

const panelWidth = 330;
const side = 230;
const left = 62;
const top = 60;
const colours = ['#111111', '#5b7fa6'];

export function plotGrowth(title: string, rows: readonly Row[]): string {
  const kinds = [...new Set(rows.map(({ growth }) => growth?.of ?? ''))];
  const names = [...new Set(rows.flatMap(row => [ours, ...Object.keys(row.peers)]))];
  const times = logScale(rows.flatMap(row => [row.oursMs, row.peerMs]));
  const parts = [text(10, 18, title, 'start', 15)];
  names.forEach((name, index) => {
    parts.push(text(10 + index * 110, 38, name, 'start'));
    parts.push(`<path d="M${10 + index * 110} 43h60" stroke="${colours[index]}" stroke-width="2"/>`);
  });
  kinds.forEach((kind, index) => {
    const own = rows.filter(({ growth }) => growth?.of === kind);
    parts.push(
      `<g transform="translate(${index * panelWidth} 0)">`,
      ...panel(kind, own, names, times),
      '</g>',
    );
  });
  return document(kinds.length * panelWidth + 20, top + side + 50, title, parts);
}

function panel(
  kind: string,
  rows: readonly Row[],
  names: readonly string[],
  times: ReturnType<typeof logScale>,
): string[] {
  const amounts = logScale(rows.map(({ growth }) => growth?.value ?? 1));
  const x = (value: number) => left + amounts.at(value) * side;
  const y = (ms: number) => top + (1 - times.at(ms)) * side;
  const parts = [text(left + side / 2, top + side + 36, kind === 'size' ? 'size, MiB' : kind, 'middle', 12)];
  for (const tick of amounts.ticks) {
    parts.push(`<path d="M${fixed(x(tick))} ${top}v${side}" stroke="#ddd"/>`);
    parts.push(
      text(x(tick), top + side + 16, tick >= 10_000 ? `10^${Math.log10(tick)}` : String(tick), 'middle', 9),
    );
  }
  for (const tick of times.ticks) {
    parts.push(`<path d="M${left} ${fixed(y(tick))}h${side}" stroke="#ddd"/>`);
    parts.push(text(left - 5, y(tick) + 3, `${tick} ms`, 'end', 9));
  }
  names.forEach((name, index) => {
    const points = rows.flatMap(row => {
      const ms = name === ours ? row.oursMs : row.peers[name]?.ms;
      return ms === undefined ? [] : [`${fixed(x(row.growth?.value ?? 1))},${fixed(y(ms))}`];
    });
    parts.push(
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colours[index]}" stroke-width="2"/>`,
    );
    for (const point of points) {
      const [cx, cy] = point.split(',');
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colours[index]}"/>`);
    }
  });
  return parts;
}

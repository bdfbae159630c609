/**
 * Horizontal bars on a logarithmic scale of milliseconds, with a panel for each file system and a group for
 * each row. Our bar comes first.
 */
import { ours, type Row } from './row.js';
import { document, fixed, text } from './svg.js';

const labelWidth = 215;
const barsWidth = 300;
const panelWidth = labelWidth + barsWidth + 60;
const bar = 10;
const gap = 10;
/** The widest letter of most fonts at this size. */
const letterWidth = 7;
const headHeight = 48;
const panelHead = 44;
const colours = ['#5b7fa6', '#d08f3a', '#7a9a58', '#a0679a', '#8a8a8a', '#b9574f'];
const ownColour = '#111111';

/** @returns SVG text. Every panel has the same scale: whole powers of ten around all values. */
export function plotRows(title: string, rows: readonly Row[]): string {
  const names = [...new Set([ours, ...rows.flatMap(({ peers }) => Object.keys(peers))])];
  const scale = logScale(
    rows.flatMap(row => [row.ours, ...Object.values(row.peers)].flatMap(({ range }) => range)),
  );
  const panels = new Map<string, Row[]>();
  for (const row of rows) panels.set(row.filesystem, [...(panels.get(row.filesystem) ?? []), row]);
  const parts = [text(10, 18, title, 'start', 15), ...legend(names)];
  let [x, y, rowHeight] = [0, headHeight, 0];
  for (const [filesystem, own] of panels) {
    const height = panelHead + own.reduce((sum, row) => sum + groupHeight(row), 0);
    parts.push(
      `<g transform="translate(${x} ${y})">`,
      ...panel(filesystem, own, names, scale, height),
      '</g>',
    );
    rowHeight = Math.max(rowHeight, height);
    x += panelWidth;
    if (x > panelWidth) [x, y, rowHeight] = [0, y + rowHeight + 12, 0];
  }
  return document(
    panels.size > 1 ? 2 * panelWidth : Math.max(panelWidth, 640),
    y + rowHeight + 8,
    title,
    parts,
  );
}

type Scale = ReturnType<typeof logScale>;

function panel(
  filesystem: string,
  rows: readonly Row[],
  names: readonly string[],
  scale: Scale,
  height: number,
): string[] {
  const parts = [text(labelWidth, 14, filesystem, 'start', 13)];
  for (const tick of scale.ticks) {
    const x = fixed(labelWidth + scale.at(tick) * barsWidth);
    parts.push(`<path d="M${x} ${panelHead - 8}V${height - gap / 2}" stroke="#ddd"/>`);
    parts.push(text(Number(x), panelHead - 13, showTick(tick), 'middle', 9));
  }
  let y = panelHead;
  for (const row of rows) {
    const label = [row.case, row.state].filter(word => word !== '').join(', ');
    parts.push(text(labelWidth - 6, y + (groupHeight(row) - gap) / 2 + 4, label, 'end'));
    for (const [name, figure] of [[ours, row.ours] as const, ...Object.entries(row.peers)]) {
      const [end, low, high] = [figure.ms, ...figure.range].map(
        value => labelWidth + scale.at(value) * barsWidth,
      ) as [number, number, number];
      parts.push(
        `<rect x="${labelWidth}" y="${y}" width="${fixed(Math.max(1, end - labelWidth))}" height="${bar - 2}" fill="${colourOf(name, names)}"/>`,
        `<path d="M${fixed(low)} ${y + 4}H${fixed(high)}" stroke="#e33" stroke-width="1.5"/>`,
        text(Math.max(end, high) + 4, y + 8, figureText(row, name, figure.ms), 'start', 9),
      );
      y += bar;
    }
    y += gap;
  }
  return parts;
}

/** The time with three digits, and the memory where it was measured. */
function figureText({ peakBytes }: Row, name: string, ms: number): string {
  const peak = peakBytes?.[name];
  const digits = String(Number(ms.toPrecision(3)));
  return peak === undefined ? digits : `${digits} (${Math.round(peak / 2 ** 20)} MiB)`;
}

function groupHeight(row: Row): number {
  return (1 + Object.keys(row.peers).length) * bar + gap;
}

function legend(names: readonly string[]): string[] {
  let x = 10;
  return names.flatMap(name => {
    const parts = [
      `<rect x="${x}" y="28" width="10" height="10" fill="${colourOf(name, names)}"/>`,
      text(x + 14, 37, name, 'start'),
    ];
    x += 34 + name.length * letterWidth;
    return parts;
  });
}

function colourOf(name: string, names: readonly string[]): string {
  return name === ours ? ownColour : (colours[(names.indexOf(name) - 1) % colours.length] as string);
}

/** `at` gives 0 for the lowest tick and 1 for the highest. */
export function logScale(values: readonly number[]): { at(value: number): number; ticks: number[] } {
  const positive = values.filter(value => value > 0);
  if (positive.length === 0) return { at: () => 0, ticks: [1] };
  const low = Math.floor(Math.log10(Math.min(...positive)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...positive))), low + 1);
  return {
    at: value => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low),
    ticks: Array.from({ length: high - low + 1 }, (_, n) => Number((10 ** (low + n)).toPrecision(1))),
  };
}

function showTick(ms: number): string {
  return ms >= 1000 ? `${ms / 1000} s` : ms < 1 ? `${Number((ms * 1000).toPrecision(1))} µs` : `${ms} ms`;
}

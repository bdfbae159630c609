import { make } from './elements.js';
import { parts } from './words.js';

const pieces = 256;
const svg = 'http://www.w3.org/2000/svg';
const classes = { p: 'parent', g: 'given', u: 'unwritten' };
const runsOf = ({ bar }) => (bar === '' ? [] : bar.split(',').map(run => run.split(':')));

/** Draws where a ghost has data. LENGTH, from 0 to 1, is how much of the full width the bar has. */
export function bar(ghost, length = 1) {
  const drawing = document.createElementNS(svg, 'svg');
  drawing.setAttribute('viewBox', `0 0 ${pieces} 1`);
  drawing.setAttribute('preserveAspectRatio', 'none');
  drawing.setAttribute('class', 'bar');
  drawing.setAttribute('role', 'img');
  const part = ghost.size > 0 ? Math.round((100 * (ghost.data ?? 0)) / ghost.size) : 0;
  drawing.setAttribute('aria-label', ghost.bar === '' ? 'no ranges' : `${part} % of it is data`);
  const draw = (path, kind, opacity) => {
    const shape = document.createElementNS(svg, 'path');
    shape.setAttribute('d', path);
    if (kind) shape.setAttribute('class', kind);
    if (opacity < 1) shape.setAttribute('fill-opacity', opacity);
    drawing.append(shape);
  };
  const wide = pieces * length;
  if (ghost.size > 0) draw(`M0 0h${wide}v1h-${wide}z`, 'track');
  const paths = new Map();
  let at = 0;
  for (const [mark, count] of runsOf(ghost)) {
    const width = Number(count) * length;
    if (mark !== '0') paths.set(mark, `${paths.get(mark) ?? ''}M${at} 0h${width}v1h-${width}z`);
    at += width;
  }
  for (const [mark, path] of paths)
    if (classes[mark]) draw(path, classes[mark], 1);
    else draw(path, '', 0.25 + Number(mark) / 12);
  return drawing;
}

/** Says what the colours of a bar mean; nothing where data is all that it has. */
export function legend(ghost) {
  const marks = new Set(runsOf(ghost).map(([mark]) => (classes[mark] ? mark : mark === '0' ? '' : 'data')));
  const kinds = Object.keys(parts).filter(kind => marks.has(kind));
  if (kinds.every(kind => kind === 'data')) return [];
  const entries = kinds.map(kind =>
    make('span', {}, make('i', { class: classes[kind] ?? 'data', 'aria-hidden': 'true' }), parts[kind]),
  );
  return [make('p', { class: 'legend quiet' }, entries)];
}

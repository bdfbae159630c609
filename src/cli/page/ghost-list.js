/** The list of ghosts with its search, its filter and its order. */
import { bar } from './bar.js';
import { details } from './details.js';
import { bytes, make, sum } from './elements.js';
import { isBad, states } from './words.js';

const atOnce = 100;

const orders = {
  size: ['largest first', (a, b) => b.size - a.size],
  data: ['most data first', (a, b) => (b.data ?? 0) - (a.data ?? 0)],
  ranges: ['most ranges first', (a, b) => (b.ranges ?? 0) - (a.ranges ?? 0)],
  modified: ['newest first', (a, b) => Number(b.modified) - Number(a.modified)],
  path: ['by path', (a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)],
  id: ['by id', (a, b) => a.number - b.number],
};

const list = make('ol', { id: 'ghosts' });
const count = make('p', { id: 'count', class: 'quiet', role: 'status' });
const more = make('button', { id: 'more', type: 'button' }, 'Show more');
const search = make('input', {
  type: 'search',
  id: 'search',
  placeholder: 'Path, process, image, class …',
  'aria-label': 'Search',
  autocomplete: 'off',
  spellcheck: 'false',
});
const filter = make('select', { id: 'filter', 'aria-label': 'Which ghosts' });
const sort = make('select', { id: 'sort', 'aria-label': 'Order' });
const scale = make('input', { type: 'checkbox', id: 'scale' });
let all = [];
let texts = new Map();
let largest = 1;
let found = [];
let shown = 0;

/** @returns the elements of the list, in their order */
export function ghostList(ghosts) {
  all = ghosts;
  largest = ghosts.reduce((most, { size }) => Math.max(most, size), 1);
  texts = new Map(
    ghosts.map(ghost => [
      ghost,
      [ghost.path, ghost.image, ghost.class, ghost.filesystem, ghost.inode, ...ghost.holders]
        .join('\n')
        .toLowerCase(),
    ]),
  );
  choices(filter, [['all', 'All'], ...groups('state', states), ...groups('class'), ...groups('filesystem')]);
  choices(
    sort,
    Object.entries(orders).map(([value, [text]]) => [value, text]),
  );
  const head = make('div', { class: 'head', 'aria-hidden': 'true' });
  for (const text of ['file', 'where it has data', 'size', 'data', 'state'])
    head.append(make('span', /^(size|data)$/.test(text) ? { class: 'number' } : {}, text));
  filter.hidden = filter.options.length < 2;
  listen();
  look();
  const chosen = make('div', { class: 'choices' }, filter, sort, make('label', {}, scale, 'to one scale'));
  return [make('div', { class: 'controls' }, search, chosen), count, head, list, more];
}

function listen() {
  search.addEventListener('input', look);
  for (const each of [filter, sort, scale]) each.addEventListener('change', look);
  more.addEventListener('click', () => showMore());
  new IntersectionObserver(seen => seen.some(each => each.isIntersecting) && showMore(), {
    rootMargin: '600px',
  }).observe(more);
  // Nobody can scroll on paper, so all ghosts are listed before the page is printed.
  window.addEventListener('beforeprint', () => showMore(found.length));
  document.addEventListener('keydown', event => {
    if (event.key !== '/' || /^(INPUT|SELECT)$/.test(document.activeElement?.tagName)) return;
    event.preventDefault();
    search.focus();
  });
}

function look() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const [kind, wanted] = filter.value.split(':');
  found = all
    .filter(ghost => kind === 'all' || ghost[kind] === wanted)
    .filter(ghost => words.every(word => texts.get(ghost).includes(word)))
    .sort(orders[sort.value][1]);
  shown = 0;
  list.replaceChildren();
  showMore();
  const of = found.length === all.length ? '' : ` of ${all.length.toLocaleString('en')}`;
  const ghosts = all.length === 1 ? 'ghost' : 'ghosts';
  const size = bytes(sum(found, each => each.size));
  const data = bytes(sum(found, each => each.data));
  count.textContent = `${found.length.toLocaleString('en')}${of} ${ghosts}, ${size}, ${data} of it data`;
}

function showMore(most = atOnce) {
  const next = found.slice(shown, shown + most);
  shown += next.length;
  for (const ghost of next) list.append(item(ghost));
  more.hidden = shown >= found.length;
}

function item(ghost) {
  const [first] = ghost.holders;
  const others = ghost.holders.length > 1 ? ', and others' : '';
  const held = first ? `process ${first.replace('/', ', ').replace('/', ' ')}${others}` : '';
  const row = make(
    'button',
    { class: 'row', type: 'button', 'aria-expanded': 'false' },
    make(
      'span',
      {},
      make('span', { class: 'path' }, ghost.path),
      make('span', { class: 'quiet' }, [`id ${ghost.id}`, held].filter(Boolean).join(', held by ')),
    ),
    bar(ghost, scale.checked ? ghost.size / largest : 1),
    make('span', { class: 'number', 'data-name': 'size' }, bytes(ghost.size)),
    make('span', { class: 'number', 'data-name': 'data' }, bytes(ghost.data)),
    make('span', { class: isBad(ghost) ? 'state warn' : 'state quiet' }, states[ghost.state]),
  );
  const entry = make('li', { class: 'ghost' }, row);
  row.addEventListener('click', () => {
    const isOpen = row.getAttribute('aria-expanded') === 'true';
    row.setAttribute('aria-expanded', String(!isOpen));
    if (isOpen) entry.lastChild.remove();
    else entry.append(details(ghost));
  });
  return entry;
}

function choices(select, options) {
  for (const [value, text] of options) select.append(make('option', { value }, text));
}

function groups(key, names = {}) {
  const counts = new Map();
  for (const ghost of all) counts.set(ghost[key], (counts.get(ghost[key]) ?? 0) + 1);
  return counts.size < 2
    ? []
    : [...counts].map(([value, number]) => [`${key}:${value}`, `${names[value] ?? value} (${number})`]);
}

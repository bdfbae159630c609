/**
 * The program of the page that `show --html` writes. It loads nothing, and the page's policy forbids it to.
 */
import { bar } from './bar.js';
import { details } from './details.js';
import { bytes, facts, make, milliseconds, sum } from './elements.js';

const data = JSON.parse(document.getElementById('data').textContent);
const atOnce = 100;
const states = {
  whole: 'whole',
  packed: 'packed',
  moved: 'on another host',
  criu: 'by CRIU',
  unreadable: 'unreadable',
};

const largest = data.ghosts.reduce((most, { size }) => Math.max(most, size), 1);
let oneScale = false;

function item(ghost) {
  const held = ghost.holders.length > 0 ? `${ghost.holders[0]}${ghost.holders.length > 1 ? ' …' : ''}` : '';
  const row = make(
    'button',
    { class: 'row', type: 'button', 'aria-expanded': 'false' },
    make(
      'span',
      {},
      make('span', { class: 'path' }, ghost.path),
      make('span', { class: 'quiet' }, [`id ${ghost.id}`, held].filter(Boolean).join(', held by ')),
    ),
    bar(ghost, oneScale ? ghost.size / largest : 1),
    make('span', { class: 'number', 'data-name': 'size' }, bytes(ghost.size)),
    make('span', { class: 'number', 'data-name': 'data' }, bytes(ghost.data)),
    make('span', { class: ghost.state === 'unreadable' ? 'state warn' : 'state quiet' }, states[ghost.state]),
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

const orders = {
  size: ['largest first', (a, b) => b.size - a.size],
  data: ['most data first', (a, b) => (b.data ?? 0) - (a.data ?? 0)],
  ranges: ['most ranges first', (a, b) => (b.ranges ?? 0) - (a.ranges ?? 0)],
  modified: ['newest first', (a, b) => Number(b.modified) - Number(a.modified)],
  path: ['by path', (a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)],
  id: ['by id', (a, b) => a.number - b.number],
};
const texts = new Map(
  data.ghosts.map(ghost => [
    ghost,
    [ghost.path, ghost.image, ghost.class, ghost.filesystem, ghost.inode, ...ghost.holders]
      .join('\n')
      .toLowerCase(),
  ]),
);

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
let found = [];
let shown = 0;

function showMore() {
  const next = found.slice(shown, shown + atOnce);
  shown += next.length;
  for (const ghost of next) list.append(item(ghost));
  more.hidden = shown >= found.length;
}

function look() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const [kind, wanted] = filter.value.split(':');
  found = data.ghosts
    .filter(ghost => kind === 'all' || ghost[kind] === wanted)
    .filter(ghost => words.every(word => texts.get(ghost).includes(word)))
    .sort(orders[sort.value][1]);
  shown = 0;
  list.replaceChildren();
  showMore();
  const all = found.length === data.ghosts.length ? '' : ` of ${data.ghosts.length.toLocaleString('en')}`;
  count.textContent = `${found.length.toLocaleString('en')}${all} ${data.ghosts.length === 1 ? 'ghost' : 'ghosts'}, ${bytes(sum(found, ({ size }) => size))}, ${bytes(sum(found, ghost => ghost.data))} of it data`;
}

function choices(select, options) {
  for (const [value, text] of options) select.append(make('option', { value }, text));
}

function groups(key, names = {}) {
  const counts = new Map();
  for (const ghost of data.ghosts) counts.set(ghost[key], (counts.get(ghost[key]) ?? 0) + 1);
  return counts.size < 2
    ? []
    : [...counts].map(([value, number]) => [`${key}:${value}`, `${names[value] ?? value} (${number})`]);
}

function summary() {
  const { times } = data;
  const packed = data.ghosts.filter(({ state }) => state === 'packed').length;
  const unreadable = data.ghosts.filter(({ state }) => state === 'unreadable').length;
  const unchecked = data.ghosts.filter(({ digest, state }) => !digest && state !== 'packed').length;
  const given = data.leftOut.length + data.leftOutMore;
  const pairs = [
    ['made', `${data.created.slice(0, 19).replace('T', ' ')} UTC`],
    ['by', data.tool],
    ['ghosts', data.ghosts.length.toLocaleString('en')],
    ['size', bytes(sum(data.ghosts, ({ size }) => size))],
    ['data', bytes(sum(data.ghosts, ghost => ghost.data))],
    ['processes that held them', new Set(data.ghosts.flatMap(ghost => ghost.processes)).size || ''],
    ['frozen', times?.frozen === undefined ? '' : milliseconds(times.frozen)],
    [
      'of it memory',
      times?.memoryDump === undefined ? '' : milliseconds(times.memoryDump + (times.memoryWrite ?? 0)),
    ],
    ['until all were frozen', times?.freezing === undefined ? '' : milliseconds(times.freezing)],
    [
      'checksums',
      unchecked === 0 ? 'for all' : unchecked === data.ghosts.length ? 'none' : `for all but ${unchecked}`,
    ],
    ['packed', packed === 0 ? '' : `${packed}, parent ${data.parent}`],
    ['unreadable', unreadable === 0 ? '' : String(unreadable)],
    ['given up', given === 0 ? '' : String(given)],
  ];
  const shownFacts = facts(pairs);
  shownFacts.className = 'facts';
  return shownFacts;
}

function section(title, note, entries) {
  if (entries.length === 0) return [];
  return [
    make('h2', {}, title),
    make('p', { class: 'quiet' }, note),
    make(
      'ol',
      { class: 'list' },
      entries.map(parts => make('li', {}, parts)),
    ),
  ];
}

function build() {
  const main = document.querySelector('main');
  document.title = data.title;
  const place = data.archive
    ? `${data.where}, read from an archive (${data.archive === 'none' ? 'not compressed' : data.archive})`
    : data.where;
  main.replaceChildren(
    make('h1', {}, data.title),
    make('p', { class: 'quiet' }, make('code', {}, place)),
    summary(),
  );
  if (data.ghosts.length === 0) main.append(make('p', {}, 'No ghost is in it.'));
  else {
    choices(filter, [
      ['all', 'All'],
      ...groups('state', states),
      ...groups('class'),
      ...groups('filesystem'),
    ]);
    choices(
      sort,
      Object.entries(orders).map(([value, [text]]) => [value, text]),
    );
    const head = make('div', { class: 'head', 'aria-hidden': 'true' });
    for (const text of ['file', 'where it has data', 'size', 'data', 'state'])
      head.append(make('span', /^(size|data)$/.test(text) ? { class: 'number' } : {}, text));
    main.append(
      make('div', { class: 'controls' }, search, filter, sort, make('label', {}, scale, 'to one scale')),
      count,
      head,
      list,
      more,
    );
    search.addEventListener('input', look);
    filter.addEventListener('change', look);
    sort.addEventListener('change', look);
    scale.addEventListener('change', () => {
      oneScale = scale.checked;
      look();
    });
    more.addEventListener('click', showMore);
    new IntersectionObserver(seen => seen.some(each => each.isIntersecting) && showMore(), {
      rootMargin: '600px',
    }).observe(more);
    document.addEventListener('keydown', event => {
      if (event.key !== '/' || /^(INPUT|SELECT)$/.test(document.activeElement?.tagName)) return;
      event.preventDefault();
      search.focus();
    });
    look();
  }
  const lost = data.leftOutMore > 0 ? ` ${data.leftOutMore} more are not listed.` : '';
  const sections = [
    section(
      'Given up',
      `The processes had this content, and it is not in the dump.${lost}`,
      data.leftOut.map(({ what, path, why, size }) => [
        make('div', {}, path === '' ? what : path, size === undefined ? '' : `, ${bytes(size)}`),
        make('div', { class: 'quiet' }, path === '' ? why : `${what}: ${why}`),
      ]),
    ),
    section(
      'What ghostkeep said',
      data.logMore > 0 ? `The last ${data.log.length} lines of ghostkeep.log.` : 'From ghostkeep.log.',
      data.log.map(({ time: at, level, message }) => [
        make('div', { class: level === 'error' || level === 'warn' ? 'warn' : '' }, message),
        make('div', { class: 'quiet' }, [at, level].filter(Boolean).join(', ')),
      ]),
    ),
  ];
  for (const part of sections.flat()) main.append(part);
}

build();

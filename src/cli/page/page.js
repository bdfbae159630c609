/**
 * The program of the page that `show --html` writes. Names come from containers: they only ever become text
 * nodes, never markup. It loads nothing, and the page's policy forbids it to.
 */
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const pieces = 256;
  const atOnce = 100;
  const states = {
    whole: 'whole',
    packed: 'packed',
    criu: 'by CRIU',
    unreadable: 'unreadable',
  };
  const svg = 'http://www.w3.org/2000/svg';

  /** An element with attributes and children; a child that is a string becomes text. */
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function bytes(value) {
    if (value === undefined) return '';
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
    let unit = 0;
    let shown = value;
    for (; shown >= 1024 && unit < units.length - 1; unit += 1) shown /= 1024;
    return `${shown.toFixed(1).replace(/\.0$/, '')} ${units[unit]}`;
  }

  const counted = (count, one, many = `${one}s`) =>
    `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
  const sum = (list, of) => list.reduce((total, each) => total + (of(each) ?? 0), 0);

  /** `2026-11-30 21:49:00 UTC`, of seconds since the epoch. */
  function time(text) {
    const at = new Date(Number(text) * 1000);
    return Number.isNaN(at.getTime()) ? text : `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  }

  function milliseconds(microseconds) {
    return `${(microseconds / 1000).toFixed(microseconds < 10_000 ? 1 : 0)} ms`;
  }

  /** Where a ghost has data. LENGTH is the part of the width that stands for its size. */
  function bar(ghost, length = 1) {
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
    for (const run of ghost.bar === '' ? [] : ghost.bar.split(',')) {
      const [mark, count] = run.split(':');
      const width = Number(count) * length;
      if (mark !== '0') paths.set(mark, `${paths.get(mark) ?? ''}M${at} 0h${width}v1h-${width}z`);
      at += width;
    }
    for (const [mark, path] of paths)
      if (mark === 'u') draw(path, 'unwritten', 1);
      else draw(path, '', 0.25 + Number(mark) / 12);
    return drawing;
  }

  function facts(pairs) {
    const list = make('dl', {});
    for (const [name, value] of pairs)
      if (value !== undefined && value !== '')
        list.append(make('div', {}, make('dt', {}, name), make('dd', {}, value)));
    return list;
  }

  function details(ghost) {
    const more = make('div', { class: 'more' });
    if (ghost.bar !== '') {
      more.append(bar(ghost));
      const axis = [0, 0.25, 0.5, 0.75, 1].map(part => make('span', {}, bytes(ghost.size * part)));
      more.append(make('div', { class: 'axis', 'aria-hidden': 'true' }, ...axis));
    }
    if (ghost.note) more.append(make('p', { class: 'warn' }, ghost.note));
    const others = ghost.holdersMore > 0 ? ` and ${ghost.holdersMore} more` : '';
    more.append(
      facts([
        ['held by, in /proc', `${ghost.holders.join(' ')}${others}`],
        ['image', ghost.image],
        ['ranges of data', ghost.ranges?.toLocaleString('en')],
        ['size in bytes', ghost.size.toLocaleString('en')],
        ['data in bytes', ghost.data?.toLocaleString('en')],
        ['owner, mode', `${ghost.owner}, ${ghost.mode}`],
        ['modified', time(ghost.modified)],
        ['read', time(ghost.accessed)],
        ['device and inode', ghost.inode],
        ['file system', ghost.filesystem === 'unknown' ? '' : ghost.filesystem],
        ['class', ghost.class],
        ['copied by', ghost.how],
        ['found this way because', ghost.why],
        ['copied before the freeze', ghost.kept === undefined ? '' : bytes(ghost.kept)],
        ['checksum', ghost.digest ?? 'none'],
      ]),
    );
    return more;
  }

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
      make(
        'span',
        { class: ghost.state === 'unreadable' ? 'state warn' : 'state quiet' },
        states[ghost.state],
      ),
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
    id: ['by id', (a, b) => a.id - b.id],
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
    list.append(...next.map(item));
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
      make('ol', { class: 'list' }, ...entries.map(parts => make('li', {}, ...parts))),
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
        make('div', { class: 'controls' }, search, filter, sort, make('label', {}, scale, 'one scale')),
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
    main.append(
      ...section(
        'Given up',
        `The processes had this content, and it is not in the dump.${lost}`,
        data.leftOut.map(({ what, path, why, size }) => [
          make('div', {}, path === '' ? what : path, size === undefined ? '' : `, ${bytes(size)}`),
          make('div', { class: 'quiet' }, path === '' ? why : `${what}: ${why}`),
        ]),
      ),
      ...section(
        'What ghostkeep said',
        data.logMore > 0 ? `The last ${data.log.length} lines of ghostkeep.log.` : 'From ghostkeep.log.',
        data.log.map(({ time: at, level, message }) => [
          make('div', { class: level === 'error' || level === 'warn' ? 'warn' : '' }, message),
          make('div', { class: 'quiet' }, [at, level].filter(Boolean).join(', ')),
        ]),
      ),
    );
  }

  build();
})();

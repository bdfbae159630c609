/**
 * The program of the page that `show --html` writes. It loads nothing, and the page's policy forbids it to.
 */
import { bytes, facts, make, milliseconds, sum } from './elements.js';
import { ghostList } from './ghost-list.js';

const data = JSON.parse(document.getElementById('data').textContent);
const { ghosts, leftOut } = data;
const isOf = wanted => ghosts.filter(({ state }) => state === wanted).length;
const missing = leftOut.length + data.leftOutMore;
const unreadable = isOf('unreadable');

function summary() {
  const { times } = data;
  const needsSum = ghosts.filter(({ state }) => !/^(packed|given|moved)$/.test(state));
  const unchecked = needsSum.filter(({ digest }) => !digest).length;
  const packed = isOf('packed') + isOf('given');
  const number = value => (value === 0 ? '' : value.toLocaleString('en'));
  const shown = facts([
    ['made', `${data.created.slice(0, 19).replace('T', ' ')} UTC`],
    ['by', data.tool],
    ['ghosts', ghosts.length.toLocaleString('en')],
    ['size', bytes(sum(ghosts, ({ size }) => size))],
    ['data', bytes(sum(ghosts, ghost => ghost.data))],
    ['processes that held them', number(new Set(ghosts.flatMap(ghost => ghost.processes)).size)],
    ['frozen', times?.frozen === undefined ? '' : milliseconds(times.frozen)],
    [
      'of that for memory',
      times?.memoryDump === undefined ? '' : milliseconds(times.memoryDump + (times.memoryWrite ?? 0)),
    ],
    ['time to freeze all', times?.freezing === undefined ? '' : milliseconds(times.freezing)],
    ['checksums', checksums(needsSum.length, unchecked)],
    ['packed', packed === 0 ? '' : `${packed}${data.parent ? `, parent ${data.parent}` : ''}`],
    ['gave up bytes', number(isOf('given'))],
    ['on another host', number(isOf('moved'))],
    ['unreadable', number(unreadable)],
    ['not in it', number(missing)],
  ]);
  shown.className = 'facts';
  return shown;
}

function checksums(ghostsWith, unchecked) {
  if (ghostsWith === 0) return '';
  return unchecked === 0 ? 'for all' : unchecked === ghostsWith ? 'none' : `for all but ${unchecked}`;
}

/** The facts that a reader has to know before anything else. */
function verdict() {
  const warning = text => make('p', { class: 'warn' }, text);
  const images = unreadable === 1 ? '1 ghost has no image' : `${unreadable} ghosts have no image`;
  const files = missing === 1 ? '1 file' : `${missing.toLocaleString('en')} files`;
  return [
    make(
      'p',
      { class: 'quiet' },
      'A ghost is a file that has been deleted while a process still holds it open. This page lists ghosts, not memory, nor files that have a name.',
    ),
    make('p', { id: 'use', class: data.use.isWarning ? 'warn' : '' }, withCode(data.use.text)),
    ...(unreadable > 0 ? [warning(`Damage: ${images} that can be read.`)] : []),
    ...(missing > 0
      ? [warning(`Not complete: the content of ${files} is not in it. The list is below.`)]
      : []),
  ];
}

/** Words between backticks are commands. */
const withCode = text => text.split('`').map((part, at) => (at % 2 === 1 ? make('code', {}, part) : part));

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

function notInIt() {
  const more = data.leftOutMore > 0 ? ` ${data.leftOutMore} more are not listed.` : '';
  return section(
    'Not in it',
    `The processes had this content, and it could not be dumped.${more}`,
    leftOut.map(({ what, path, why, size }) => [
      make('div', {}, path === '' ? what : path, size === undefined ? '' : `, ${bytes(size)}`),
      make('div', { class: 'quiet' }, path === '' ? why : `${what}: ${why}`),
    ]),
  );
}

function log() {
  return section(
    'What ghostkeep said',
    data.logMore > 0 ? `The last ${data.log.length} lines of ghostkeep.log.` : 'From ghostkeep.log.',
    data.log.map(({ time: at, level, message }) => [
      make('div', { class: level === 'error' || level === 'warn' ? 'warn' : '' }, message),
      make('div', { class: 'quiet' }, [at, level].filter(Boolean).join(', ')),
    ]),
  );
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
    make('div', { class: 'verdict' }, verdict()),
    summary(),
  );
  if (ghosts.length === 0) main.append(make('p', {}, 'No ghost is in it.'));
  else for (const part of ghostList(ghosts)) main.append(part);
  for (const part of [...notInIt(), ...log()]) main.append(part);
}

build();

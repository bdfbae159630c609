import { bar, legend } from './bar.js';
import { bytes, facts, make, time } from './elements.js';
import { isBad } from './words.js';

/** The elements that a click on a ghost shows. */
export function details(ghost) {
  const more = make('div', { class: 'more' });
  if (ghost.bar !== '') {
    more.append(bar(ghost));
    const axis = [0, 0.25, 0.5, 0.75, 1].map(part => make('span', {}, bytes(ghost.size * part)));
    more.append(make('div', { class: 'axis', 'aria-hidden': 'true' }, axis));
    for (const each of legend(ghost)) more.append(each);
  }
  if (ghost.note)
    more.append(make('p', { class: isBad(ghost) ? 'note warn' : 'note' }, sentence(ghost.note)));
  const others = ghost.holdersMore > 0 ? ` and ${ghost.holdersMore} more` : '';
  more.append(
    facts([
      ['held by (below /proc)', `${ghost.holders.join(' ')}${others}`],
      [ghost.image.includes(',') ? 'files' : 'image', ghost.image],
      ['ranges of data', ghost.ranges?.toLocaleString('en')],
      ['size in bytes', ghost.size.toLocaleString('en')],
      ['data in bytes', ghost.data?.toLocaleString('en')],
      ['owner, mode', `${ghost.owner}, ${ghost.mode}`],
      ['modified', time(ghost.modified)],
      ['last read', time(ghost.accessed)],
      ['device and inode', ghost.inode],
      ['file system', ghost.filesystem === 'unknown' ? '' : ghost.filesystem],
      ['class', ghost.class],
      ['copied by', ghost.how],
      ['this way, because', ghost.why],
      ['copied before the freeze', ghost.kept === undefined ? '' : bytes(ghost.kept)],
      ['checksum', ghost.digest ?? 'none'],
    ]),
  );
  return more;
}

const sentence = text => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** The words that the page has for the states of ghosts and for the parts of a bar. */
export const states = {
  whole: 'whole',
  packed: 'packed',
  given: 'gave up bytes',
  moved: 'on another host',
  criu: 'copied by CRIU',
  unreadable: 'unreadable',
};

export const isBad = ({ state }) => state === 'given' || state === 'unreadable';

/** The words for the marks of a bar. A digit as a mark says how full the piece is. */
export const parts = {
  data: 'data',
  p: 'data in the parent',
  g: 'given up',
  u: 'allocated, never written',
};

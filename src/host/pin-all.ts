import type { Pin, Refused } from '../base/host.js';
import { errorOf } from './look-at.js';
import { ask } from './native.js';
import { readStat, statWords } from './stat.js';

/** struct gk_pin, in words: descriptor or error, inode flags, bytes of xattr names; then a gk_stat. */
const pinWords = 3 + statWords;

/** LINKS are paths below /proc. What is refused here may be had by another way: pin.ts. */
export function pinAll(links: readonly string[]): (Pin | Refused)[] {
  if (links.length === 0) return [];
  const words = new BigInt64Array(links.length * pinWords);
  ask('gk_pin', Buffer.from(`${links.join('\0')}\0`), links.length, words);
  return links.map((link, index) => {
    const at = index * pinWords;
    const fd = Number(words[at]);
    if (fd < 0) return { error: errorOf(fd, `open ${link}`) };
    return {
      fd,
      inodeFlags: Number(words[at + 1]),
      hasXattrs: words[at + 2] !== 0n,
      stat: readStat(words, at + 3),
    };
  });
}

import fs from 'node:fs';
import type { Pin, Refused } from '../../base/host/host.js';
import { ask } from '../native/call.js';
import { pin } from '../native/layout.js';
import { errorOf } from '../native/look-at.js';
import { readStat, toFileStat } from '../native/stat.js';
import { borrow } from '../pin/borrow.js';
import { isLeased, readLeases } from '../pin/leases.js';

/**
 * LINKS are paths below /proc. Where this refuses a link, the caller may still reach the file in another way
 * (pin.ts).
 */
export function pinAll(links: readonly string[]): (Pin | Refused)[] {
  if (links.length === 0) return [];
  // The leases are read once for all links: there may be thousands of links, and hardly ever a lease.
  const leased = new Set(readLeases().map(({ ino }) => BigInt(ino)));
  if (leased.size === 0) return openAll(links);
  const borrowed = links.map(link => borrowLeased(link, leased));
  const opened = openAll(links.filter((_, index) => borrowed[index] === undefined));
  return borrowed.map(pin => pin ?? (opened.shift() as Pin | Refused));
}

/** @returns undefined where the file has no lease and may be opened */
function borrowLeased(link: string, leased: ReadonlySet<bigint>): Pin | Refused | undefined {
  try {
    if (!leased.has(fs.statSync(link, { bigint: true }).ino) || !isLeased(link)) return undefined;
    const fd = borrow(link);
    return { fd, stat: toFileStat(fs.fstatSync(fd, { bigint: true })) };
  } catch (error) {
    return { error: error as Error };
  }
}

function openAll(links: readonly string[]): (Pin | Refused)[] {
  if (links.length === 0) return [];
  const words = new BigInt64Array(links.length * pin.words);
  ask('gk_pin', Buffer.from(`${links.join('\0')}\0`), links.length, words);
  return links.map((link, index) => {
    const at = index * pin.words;
    const fd = Number(words[at + pin.word.fd]);
    if (fd < 0) return { error: errorOf(fd, `open ${link}`) };
    return {
      fd,
      inodeFlags: Number(words[at + pin.word.inode_flags]),
      hasXattrs: words[at + pin.word.xattr_bytes] !== 0n,
      stat: readStat(words, at + pin.word.stat),
    };
  });
}

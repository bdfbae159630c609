import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import type { Memory, Pin, Refused } from '../../base/host/host.js';
import { ask } from '../native/call.js';
import { pin } from '../native/layout.js';
import { errorOf } from '../native/look-at.js';
import { readStat, toFileStat } from '../native/stat.js';
import { borrow } from '../pin/borrow.js';
import { isLeased, readLeases } from '../pin/leases.js';
import { recall } from '../records/recall.js';

/**
 * Opens what LINKS, paths below /proc, lead to. If this refuses a link, the caller may still reach the
 * file in another way (src/flows/choose/pin.ts).
 */
export function pinAll(links: readonly string[], memory?: Memory): (Pin | Refused)[] {
  // The kernel's list of leases takes long to read (native/engine/proc/lease.c), so it is read only where a
  // link is a mapping.
  const leased = new Set(links.some(isMapping) ? readLeases().map(({ ino }) => BigInt(ino)) : []);
  const shared = links.map(link => (isMapping(link) ? shareIfLeased(link, leased) : undefined));
  const opened = openAll(
    links.filter((_, index) => shared[index] === undefined),
    memory,
  );
  return links.map((link, index) => shared[index] ?? shareIfRefused(link, opened.shift() as Pin | Refused));
}

function isMapping(link: string): boolean {
  return link.includes('/map_files/');
}

/** @returns undefined where the mapped file has no lease and may be opened */
function shareIfLeased(link: string, leased: ReadonlySet<bigint>): Pin | Refused | undefined {
  if (leased.size === 0) return undefined;
  try {
    if (!leased.has(fs.statSync(link, { bigint: true }).ino) || !isLeased(link)) return undefined;
  } catch (error) {
    return { error: error as Error };
  }
  return share(link);
}

/** The library does not open a descriptor whose holder has a lease. */
function shareIfRefused(link: string, pin: Pin | Refused): Pin | Refused {
  return 'error' in pin && errnoOf(pin.error) === 'EAGAIN' ? share(link) : pin;
}

function share(link: string): Pin | Refused {
  try {
    const fd = borrow(link);
    return { fd, stat: toFileStat(fs.fstatSync(fd, { bigint: true })) };
  } catch (error) {
    return { error: error as Error };
  }
}

function openAll(links: readonly string[], memory: Memory | undefined): (Pin | Refused)[] {
  if (links.length === 0) return [];
  const words = new BigInt64Array(links.length * pin.words);
  ask('gk_pin', Buffer.from(`${links.join('\0')}\0`), links.length, words);
  const key = `pin ${links[0]} ${links.length}`;
  // The number of our own descriptor, which comes first, says nothing about the file.
  const facts = recall(memory, key, words, { size: pin.bytes, from: pin.at.inode_flags }, index => {
    const at = index * pin.words;
    return {
      inodeFlags: Number(words[at + pin.word.inode_flags]),
      hasXattrs: words[at + pin.word.xattr_bytes] !== 0n,
      stat: readStat(words, at + pin.word.stat),
    };
  });
  return links.map((link, index) => {
    const fd = Number(words[index * pin.words + pin.word.fd]);
    if (fd < 0) return { error: errorOf(fd, `open ${link}`) };
    return { fd, ...(facts[index] as Omit<Pin, 'fd'>) };
  });
}

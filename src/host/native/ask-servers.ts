import type { Answer, Refused } from '../../base/host/host.js';
import { ask, cString } from './call.js';
import { answer } from './layout.js';
import { errorOf } from './look-at.js';
import { readStat } from './stat.js';

/**
 * LINKS are paths below /proc.
 * @returns an answer for each link, and undefined from the first link on for which none came within WAIT_MS
 */
export function askServers(links: readonly string[], waitMs: number): (Answer | Refused | undefined)[] {
  if (links.length === 0) return [];
  const words = new BigInt64Array(links.length * answer.words);
  ask('gk_ask_servers', Buffer.from(`${links.join('\0')}\0`), links.length, waitMs, words);
  return links.map((link, index) => {
    const at = index * answer.words;
    if (words[at + answer.word.done] === 0n) return undefined;
    const error = Number(words[at + answer.word.error]);
    if (error !== 0) return { error: errorOf(error, `look at ${link}`) };
    return { stat: readStat(words, at + answer.word.stat), magic: words[at + answer.word.magic] as bigint };
  });
}

/**
 * Follow PATH below ROOT, a folder that somebody else controls, and ask the server of the file there.
 * @returns false where no answer came within WAIT_MS; an error counts as an answer
 */
export function answersInRoot(root: string, path: Buffer, waitMs: number): boolean {
  const words = new BigInt64Array(answer.words);
  ask('gk_ask_in_root', cString(Buffer.from(root)), cString(path), waitMs, words);
  return words[answer.word.done] !== 0n;
}

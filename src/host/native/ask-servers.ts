import type { Answer, Refused } from '../../base/host/host.js';
import { ask } from './call.js';
import { errorOf } from './look-at.js';
import { readStat, statWords } from './stat.js';

/** struct gk_answer, in words: done, error, type of the file system; then a gk_stat. */
const answerWords = 3 + statWords;

/**
 * LINKS are paths below /proc.
 * @returns an answer for each; undefined from the first on that got none for WAIT_MS
 */
export function askServers(links: readonly string[], waitMs: number): (Answer | Refused | undefined)[] {
  if (links.length === 0) return [];
  const words = new BigInt64Array(links.length * answerWords);
  ask('gk_ask_servers', Buffer.from(`${links.join('\0')}\0`), links.length, waitMs, words);
  return links.map((link, index) => {
    const at = index * answerWords;
    if (words[at] === 0n) return undefined;
    const error = Number(words[at + 1]);
    if (error !== 0) return { error: errorOf(error, `look at ${link}`) };
    return { stat: readStat(words, at + 3), magic: words[at + 2] as bigint };
  });
}

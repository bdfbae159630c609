/** Random numbers of the tests. They all follow from one seed, so a run that failed can be repeated. */
import { createCipheriv } from 'node:crypto';

export type Random = (below: number) => number;

/**
 * `npm test` sets GHOSTKEEP_SEED. A file of tests that runs alone has another seed each time. The title of each
 * test that uses the seed names it. GHOSTKEEP_SEED=N before the same command repeats the test.
 */
export const seed = Number(process.env['GHOSTKEEP_SEED'] ?? Date.now() % 2 ** 32);
if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`GHOSTKEEP_SEED is no whole number: ${seed}`);

/** The same seed gives the same numbers. @returns whole numbers below BELOW. Source: mulberry32 */
export function randomFrom(from: number): Random {
  let state = from >>> 0;
  return below => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Bytes that follow from one number of RANDOM: the key stream of AES, because it is fast. */
export function noise(random: Random, bytes: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(random(2 ** 32));
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

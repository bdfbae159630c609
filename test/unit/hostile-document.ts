/** Changes a JSON document at random, with values that a stranger would try. */

const values: unknown[] = [
  '.',
  '..',
  '../0',
  '../1',
  '../2',
  '../../../../../../../../dev',
  '/proc/self',
  `/${'a/'.repeat(2000)}`,
  '',
  'x\0y',
  0,
  -1,
  1,
  2,
  65536,
  2 ** 53,
  '18446744073709551615',
  '9223372036854775807',
  '0'.repeat(20),
  null,
  [],
  {},
  true,
  'ghostkeep-layer-1.map',
  'ghostkeep-layer-2.data',
  'ghost-file-1.img',
  `blake3:${'0'.repeat(64)}`,
];

type Json = Record<string, unknown>;

/** Every place in a document that holds a value. */
function* places(at: Json): Generator<[Json, string]> {
  for (const [key, value] of Object.entries(at)) {
    yield [at, key];
    if (typeof value === 'object' && value !== null) yield* places(value as Json);
  }
}

/**
 * Changes or removes one value of DOCUMENT, more often one that leads somewhere.
 * @param more values that only this test knows
 * @returns what was done, for messages
 */
export function changeDocument(
  document: object,
  random: (below: number) => number,
  more: readonly unknown[] = [],
): string {
  const chosen = [...places(document as Json)].filter(
    ([, key]) => random(3) === 0 || /parent|layer|path|map|data|name|id|size|birth|ino|child/i.test(key),
  );
  const [at, key] = chosen[random(chosen.length)] ?? [document as Json, 'format'];
  // A value of another type is refused by the schema, so most have the type of the one before.
  const all = [...values, ...more];
  const like = all.filter(value => typeof value === typeof at[key]);
  const from = random(3) && like.length > 0 ? like : all;
  if (random(6) === 0) delete at[key];
  else at[key] = from[random(from.length)];
  return `${key} became ${JSON.stringify(at[key])?.slice(0, 60)}`;
}

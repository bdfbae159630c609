/**
 * Records that the library has filled in, compared with those that it gave for the same question before. An
 * equal record gives the same object again, so that a caller sees by `===` that nothing has changed, and no
 * object is made for it (decision 0008).
 */
import type { Memory } from '../../base/host/host.js';

/** The records of one answer. BYTES are compared, or those of them that a caller names. */
interface Kept {
  bytes: Buffer;
  made: readonly unknown[];
}

/**
 * @param key of the question. @param size of each record in WORDS, in bytes
 * @param from where in a record the bytes begin that are compared, up to its end
 * @param make makes the object of a record. @param isStill does an object still describe what is not in the
 * record?
 */
export function recall<T>(
  memory: Memory | undefined,
  key: string,
  words: BigInt64Array,
  { size, from = 0 }: { size: number; from?: number },
  make: (index: number) => T,
  isStill: (known: T, index: number) => boolean = () => true,
): readonly T[] {
  const count = words.byteLength / size;
  const indices = Array.from({ length: count }, (_, index) => index);
  if (!memory) return indices.map(make);
  const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  const known = memory.get(key) as Kept | undefined;
  if (known?.made.length !== count) {
    const made = indices.map(make);
    if (!known) memory.set(key, { bytes: Buffer.from(bytes), made });
    return made;
  }
  const isEqual = (index: number) => {
    const [start, end] = [index * size + from, (index + 1) * size];
    return known.bytes.compare(bytes, start, end, start, end) === 0;
  };
  const given = indices.map(index => {
    const before = known.made[index] as T;
    return isEqual(index) && isStill(before, index) ? before : make(index);
  });
  return given;
}

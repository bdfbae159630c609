/**
 * Ranges of a file in ascending order. Ranges that touch become one. Each range is two numbers, in one block
 * of memory.
 */
export class Ranges {
  #numbers = new BigUint64Array(64);
  #length = 0;

  /** @param most ranges; `add` gives false where there would be more */
  constructor(readonly most: number) {}

  get count(): number {
    return this.#length / 2;
  }

  /** @param offset is not before the end of the last range */
  add(offset: bigint, length: bigint): boolean {
    if (this.#length > 0 && this.#numbers[this.#length - 1] === offset) {
      this.#numbers[this.#length - 1] = offset + length;
      return true;
    }
    if (this.count >= this.most) return false;
    if (this.#length === this.#numbers.length) {
      const larger = new BigUint64Array(2 * this.#length);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length] = offset;
    this.#numbers[this.#length + 1] = offset + length;
    this.#length += 2;
    return true;
  }

  start(index: number): bigint {
    return this.#numbers[2 * index] ?? 0n;
  }

  end(index: number): bigint {
    return this.#numbers[2 * index + 1] ?? 0n;
  }
}

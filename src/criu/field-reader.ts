/**
 * Reads protobuf's wire format where it lies. An image may have millions of small messages, and a decoded one
 * takes some 1,000 bytes of memory. This reader makes no object for a message or a field.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

export { WireType };

export class FieldReader {
  /** The number and the wire type of the field that `next` has read. */
  field = 0;
  type: WireType = WireType.Varint;
  readonly #reader: BinaryReader;

  constructor(readonly bytes: Buffer) {
    this.#reader = new BinaryReader(bytes);
  }

  get pos(): number {
    return this.#reader.pos;
  }

  set pos(at: number) {
    this.#reader.pos = at;
  }

  /** Reads the tag of the next field. @returns false where the message ends at END. @throws RangeError */
  next(end: number): boolean {
    if (this.pos >= end) {
      assertInside(this.pos, end);
      return false;
    }
    const tag = this.#reader.uint32();
    this.field = tag >>> 3;
    this.type = tag & 7;
    if (this.field === 0) throw new RangeError('a field has the number 0');
    return true;
  }

  /** Skips the value of this field. */
  skip(end: number): void {
    this.#reader.skip(this.type, this.field);
    assertInside(this.pos, end);
  }

  /** Reads the length of this field. @returns where its bytes end; they begin at `pos` */
  endOfField(end: number): number {
    this.#expect(WireType.LengthDelimited);
    const length = this.#reader.uint32();
    assertInside(this.pos + length, end);
    return this.pos + length;
  }

  uint32(): number {
    this.#expect(WireType.Varint);
    return this.#reader.uint32();
  }

  sint32(): number {
    this.#expect(WireType.Varint);
    return this.#reader.sint32();
  }

  bool(): boolean {
    this.#expect(WireType.Varint);
    return this.#reader.bool();
  }

  #expect(type: WireType): void {
    if (this.type !== type) throw new RangeError(`field ${this.field} has the wire type ${this.type}`);
  }
}

function assertInside(at: number, end: number): void {
  if (at > end) throw new RangeError(`a field ends at ${at}, and what it is in at ${end}`);
}

/**
 * Decodes and encodes messages by a table of their fields (messages.ts), with the reader and writer of
 * @bufbuild/protobuf. Its classes for whole messages would do the same, but the description that they need
 * takes 9 ms to set up, and a checkpoint or a restore waits for that (docs/decisions/0002).
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { broken } from './frame.js';

type Scalar = 'uint32' | 'sint32' | 'uint64' | 'bytes' | 'bool';

export interface Field<Name extends PropertyKey = string> {
  no: number;
  name: Name;
  kind: Scalar | MessageType<never>;
  /** CRIU always writes it. */
  required?: true;
}

/** The fields that we know, in ascending order of their numbers. */
export interface MessageType<T> {
  typeName: string;
  fields: readonly Field<keyof T>[];
}

/** Fields that we do not know. Newer CRIUs add fields, which must survive a rewrite. */
const unknown = Symbol('unknown fields');
interface UnknownField {
  no: number;
  wireType: WireType;
  data: Uint8Array;
}
type Values = Record<PropertyKey, unknown> & { [unknown]?: UnknownField[] };

/** @throws CRIU_IMAGE_INVALID also where a field is missing that CRIU always writes */
export function decode<T extends object>(type: MessageType<T>, bytes: Uint8Array, name: string): T {
  try {
    return read(type, new BinaryReader(bytes), bytes.length, {}) as T;
  } catch (cause) {
    throw broken(name, `an entry is not a ${type.typeName} (${(cause as Error).message})`);
  }
}

/** Known fields come first, in the order of their numbers, then those that decode() did not know. */
export function encode<T extends object>(type: MessageType<T>, message: T): Uint8Array {
  const writer = new BinaryWriter();
  write(type, message as Values, writer);
  return writer.finish();
}

/**
 * A message inside another one may come in several parts, which together are one message. Source:
 * protobuf.dev, encoding, last one wins
 */
function read(type: MessageType<never>, reader: BinaryReader, end: number, into: Values): Values {
  while (reader.pos < end) {
    const [no, wireType] = reader.tag();
    const field = type.fields.find(known => known.no === no) as Field | undefined;
    if (!field) {
      into[unknown] ??= [];
      into[unknown].push({ no, wireType, data: reader.skip(wireType, no) });
      continue;
    }
    if (wireType !== wireTypeOf(field)) throw new Error(`field ${no} has the wire type ${wireType}`);
    into[field.name] = readValue(field, reader, into[field.name]);
  }
  if (reader.pos > end) throw new RangeError(`a field ends at ${reader.pos}, and what it is in at ${end}`);
  for (const { name, required } of type.fields as readonly Field[])
    if (required && into[name] === undefined) throw new Error(`it has no ${name}`);
  return into;
}

function readValue({ kind }: Field, reader: BinaryReader, known: unknown): unknown {
  if (typeof kind === 'string') return reader[kind]();
  const length = reader.uint32();
  return read(kind, reader, reader.pos + length, (known ?? {}) as Values);
}

function write(type: MessageType<never>, message: Values, writer: BinaryWriter): void {
  for (const field of type.fields as readonly Field[]) {
    const value = message[field.name];
    if (value === undefined) continue;
    writer.tag(field.no, wireTypeOf(field));
    if (typeof field.kind === 'string') writer[field.kind](value as never);
    else {
      writer.fork();
      write(field.kind, value as Values, writer);
      writer.join();
    }
  }
  for (const { no, wireType, data } of message[unknown] ?? []) writer.tag(no, wireType).raw(data);
}

function wireTypeOf({ kind }: Field): WireType {
  return typeof kind === 'string' && kind !== 'bytes' ? WireType.Varint : WireType.LengthDelimited;
}

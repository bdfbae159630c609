import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { broken } from './frame.js';

/**
 * Decode one entry and keep fields that we do not know. Newer CRIUs add fields, which must survive a rewrite.
 */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  name: string,
): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: true });
  } catch (cause) {
    throw broken(name, `an entry is not a ${schema.name} (${(cause as Error).message})`);
  }
}

/** @throws CRIU_IMAGE_INVALID also here: the decoded entry may lack a field that CRIU always writes */
export function encode<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  name: string,
): Uint8Array {
  try {
    return toBinary(schema, message, { writeUnknownFields: true });
  } catch (cause) {
    throw broken(name, `an entry is not a complete ${schema.name} (${(cause as Error).message})`);
  }
}

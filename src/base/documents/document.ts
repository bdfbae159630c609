import { mostJsonNames, mostJsonValues } from '../bounds.js';
import { type ErrorCode, GhostkeepError } from '../errors.js';
import { collectAfter } from '../memory.js';
import { countJson } from './count-values.js';
import { showFault } from './fault.js';
import * as validators from './generated/validators.js';

export type DocumentKind = keyof typeof validators;

const mostFaults = 20;
/** A shorter document cannot have enough values to matter. */
const shortText = 1 << 20;

/**
 * Parse a JSON document that may be hostile and check it against its schema.
 * @param subject names the document in messages: a path, `stdin`
 * @throws with `code`, naming every field that is wrong
 */
export function parseDocument<T>(kind: DocumentKind, text: string, subject: string, code: ErrorCode): T {
  const { values, names } =
    text.length < shortText ? { values: 0, names: 0 } : countJson(text, mostJsonNames);
  const tooMany =
    values > mostJsonValues
      ? `${values} values, and at most ${mostJsonValues} are read`
      : names > mostJsonNames
        ? `more than ${mostJsonNames} different keys`
        : undefined;
  collectAfter(text.length);
  if (tooMany) throw new GhostkeepError(code, subject, `cannot read ${subject}: it has ${tooMany}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GhostkeepError(
      code,
      subject,
      `cannot read ${subject}: it is not JSON (${(cause as Error).message})`,
      { cause },
    );
  }
  collectAfter(text.length);
  assertDocument<T>(kind, value, subject, code);
  return value;
}

/**
 * Like parseDocument, but for a value that was already parsed or made.
 * @param prefix as in showFault
 */
export function assertDocument<T>(
  kind: DocumentKind,
  value: unknown,
  subject: string,
  code: ErrorCode,
  prefix?: string,
): asserts value is T {
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: only here is the kind known
  const validate = validators[kind];
  if (validate(value)) return;
  const faults = (validate.errors ?? []).slice(0, mostFaults).map(fault => showFault(fault, prefix));
  throw new GhostkeepError(code, subject, `cannot accept ${subject}: ${faults.join('; ')}`);
}

/**
 * Explains to the author of a document what is wrong with it: which key, its value, and the allowed values.
 */
import type { ValidationError } from './generated/validators.js';

/** @param prefix goes before each key, as the author wrote it: `io.ghostkeep.` */
export function showFault(fault: ValidationError, prefix = ''): string {
  const { instancePath, keyword, params, data, parentSchema = {} } = fault;
  const path = instancePath.slice(1).replaceAll('/', '.');
  const key = (name: unknown) => `${prefix}${path && `${path}.`}${clip(String(name))}`;
  if (keyword === 'required') return `${key(params['missingProperty'])} is missing`;
  if (keyword === 'additionalProperties') {
    const known = Object.keys((parentSchema['properties'] as object | undefined) ?? {});
    return `there is no key ${key(params['additionalProperty'])}, only ${known.map(key).join(', ')}`;
  }
  return `${path === '' ? 'the document' : `${prefix}${path}`} is ${show(data)}, it ${whatItMayBe(fault)}`;
}

/**
 * The end of the sentence: what the value may be. If a schema has examples, its description says what these
 * are examples of. Sources: JSON Schema draft 7, and Ajv's `params`
 */
function whatItMayBe({ keyword, message, params, parentSchema = {} }: ValidationError): string {
  const { description, examples } = parentSchema as { description?: string; examples?: unknown[] };
  switch (keyword) {
    case 'const':
      return `must be ${show(params['allowedValue'])}`;
    case 'enum':
      return `must be one of ${showAll(params['allowedValues'] as unknown[])}`;
    case 'minimum':
      return `must be ${params['limit']} or more`;
    case 'maximum':
      return `must be ${params['limit']} or less`;
  }
  if (examples) return `must be ${description}, such as ${showAll(examples)}`;
  if (keyword === 'pattern') return `must match ${params['pattern']}`;
  if (keyword === 'type') return `must be ${[params['type']].flat().map(nameOf).join(' or ')}`;
  return message ?? keyword;
}

const names = new Map(
  Object.entries({
    array: 'a list',
    boolean: 'true or false',
    integer: 'a whole number',
    number: 'a number',
    object: 'an object',
    string: 'text',
  }),
);

const nameOf = (type: unknown): string => names.get(String(type)) ?? String(type);

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : clip(JSON.stringify(value) ?? 'nothing');
}

const showAll = (values: readonly unknown[]): string => values.map(show).join(', ');

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

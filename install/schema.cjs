// As much of JSON Schema as schemas/ uses for hooks.d and settings: install.sh also runs where nothing is installed yet.
// A keyword that is not known here is an error, so that a schema cannot grow past this file unseen.

const silent = ['$schema', '$id', 'title', 'description', 'definitions', 'properties', 'items', '$ref'];

const rules = {
  type: (types, { kind }) => [types].flat().includes(kind) || `must be ${[types].flat().join(' or ')}`,
  const: (wanted, { value }) => value === wanted || `must be ${JSON.stringify(wanted)}`,
  enum: (allowed, { value }) => allowed.includes(value) || `must be one of ${JSON.stringify(allowed)}`,
  required: (names, { keys }) =>
    !keys || names.every(name => keys.includes(name)) || `must have ${names.join(', ')}`,
  minProperties: (least, { keys }) => !keys || keys.length >= least || 'is empty',
  pattern: (text, { kind, value }) =>
    kind !== 'string' || new RegExp(text).test(value) || `must match ${text}`,
  minimum: (least, { kind, value }) => kind !== 'integer' || value >= least || `must be ${least} or more`,
  maximum: (most, { kind, value }) => kind !== 'integer' || value <= most || `must be ${most} or less`,
  minItems: (least, { kind, value }) => kind !== 'array' || value.length >= least || 'is empty',
  uniqueItems: (_, { kind, value }) =>
    kind !== 'array' || new Set(value).size === value.length || 'has an item twice',
  additionalProperties: (rule, { keys, schema }) => {
    const unknown = rule === false && keys ? keys.filter(key => !(key in schema.properties)) : [];
    return unknown.length === 0 || `has unknown keys: ${unknown.join(', ')}`;
  },
};

/** Every way in which value is not what schema wants, as text. */
exports.faultsOf = function* faultsOf(value, schema, root = schema, where = 'it') {
  const kind = kindOf(value);
  const keys = kind === 'object' ? Object.keys(value) : undefined;
  for (const [keyword, rule] of Object.entries(schema)) {
    if (silent.includes(keyword)) continue;
    if (!(keyword in rules)) throw new Error(`install/schema.cjs does not know the keyword ${keyword}`);
    const verdict = rules[keyword](rule, { value, kind, keys, schema });
    if (verdict !== true) yield `${where} ${verdict}`;
  }
  if (schema.$ref) yield* faultsOf(value, root.definitions[schema.$ref.split('/').at(-1)], root, where);
  for (const [name, item] of kind === 'array' && schema.items ? value.entries() : []) {
    yield* faultsOf(item, schema.items, root, `${where}[${name}]`);
  }
  for (const key of keys ?? []) {
    const rule = schema.properties?.[key] ?? schema.additionalProperties;
    if (typeof rule === 'object') yield* faultsOf(value[key], rule, root, key);
  }
};

/** Podman compiles every pattern of every file when it starts any container. */
exports.badPatterns = ({ annotations, commands } = {}) => {
  const patterns = [
    ...Object.entries(annotations ?? {}).flat(),
    ...(Array.isArray(commands) ? commands : []),
  ];
  return patterns.flatMap(pattern => {
    try {
      new RegExp(pattern);
      return [];
    } catch (error) {
      return [`when: ${error.message}`];
    }
  });
};

function kindOf(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

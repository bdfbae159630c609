/**
 * The policy for a container's ghosts: the host's config.json, and within its bounds (bounds.ts) the
 * container's annotations and CRIU's plugin options.
 */
import { assertDocument, parseDocument } from '../base/documents/document.js';
import type { Policy as PolicyDocument } from '../base/documents/generated/policy.js';
import { GhostkeepError } from '../base/errors.js';
import type { EngineName } from '../base/host/host.js';
import { parseSize } from '../base/units.js';

export type { PolicyDocument };

export interface Policy {
  enabled: boolean;
  /** The most bytes that one ghost may have allocated; undefined for no limit. */
  limit: bigint | undefined;
  /** Bytes to leave free on the image's file system. */
  reserve: bigint;
  engine: EngineName;
  verify: 'structure' | 'digest';
  /** Copy large ghosts before the freeze, too. */
  warm: boolean;
  /** A dump without CRIU succeeds even if it has to leave content out. */
  allowMissing: boolean;
  /** Is a dump refused if it lacks files of a shared /dev/shm that no process holds? */
  closedShm: 'refuse' | 'warn';
  /** A dump tries this long to connect to a receiver again, and waits this long for a silent receiver. */
  moveDeadlineMs: number;
  /** Only `dump` sets it: leave out zeroes inside data, which `engine: read` does anyway. */
  detectZeroes?: boolean;
}

export const annotationPrefix = 'io.ghostkeep.';

/** A place besides config.json that may ask for a policy. Its keys begin with `prefix`. */
export interface Asker {
  subject: string;
  prefix: string;
  /** The word that a message uses for one of these keys. */
  one: string;
}

export const annotationsAsk: Asker = {
  subject: "the container's annotations",
  prefix: annotationPrefix,
  one: 'annotation',
};

export const optionsAsk: Asker = {
  subject: "CRIU's plugin options",
  prefix: 'ghostkeep.',
  one: 'plugin option',
};

type SettableKey = NonNullable<PolicyDocument['allow']>[number];

/** Keys that annotations may set if the host lets them; only the host may set the others. */
export const settableKeys: readonly SettableKey[] = [
  'enabled',
  'limit',
  'reserve',
  'engine',
  'verify',
  'warm',
  'allowMissing',
  'closedShm',
];

/** The keys of `allow` if config.json does not have it. Only the host may accept that content is missing. */
export const allowedByDefault: readonly SettableKey[] = settableKeys.filter(
  key => key !== 'allowMissing' && key !== 'closedShm',
);

export const defaults: Required<Omit<Pick<PolicyDocument, SettableKey>, 'limit' | 'closedShm'>> = {
  enabled: true,
  reserve: '16M',
  engine: 'auto',
  verify: 'structure',
  warm: true,
  allowMissing: false,
};

/** Seconds. */
const defaultMoveDeadline = 10;

const booleans = new Set(['enabled', 'warm', 'allowMissing']);

/** @throws BAD_POLICY naming key, value and what is allowed */
export function parseConfig(text: string, path: string): PolicyDocument {
  return parseDocument<PolicyDocument>('Policy', text, path, 'BAD_POLICY');
}

/**
 * True if a container has one of our annotations; the hooks leave other containers alone. native/hook/
 * searches the state's text for the same, before Node.js is started.
 */
export function asksForUs(annotations: Record<string, string | undefined> = {}): boolean {
  return Object.keys(annotations).some(name => name.startsWith(annotationPrefix));
}

/**
 * The annotations io.ghostkeep.KEY as a policy document. Annotations are text, so booleans are spelled out.
 */
export function parseAnnotations(annotations: Record<string, string | undefined>): PolicyDocument {
  const ours = Object.entries(annotations)
    .filter(([name]) => name.startsWith(annotationPrefix))
    .map(([name, value]): Wish => [name.slice(annotationPrefix.length), value]);
  return parseWishes(ours, annotationsAsk);
}

/**
 * A plugin option `ghostkeep.KEY=VALUE` of CRIU as a policy document. @param option KEY=VALUE
 * @throws BAD_POLICY
 */
export function parseOption(option: string): PolicyDocument {
  const at = option.indexOf('=');
  if (at >= 0) return parseWishes([[option.slice(0, at), option.slice(at + 1)]], optionsAsk);
  const { subject, prefix } = optionsAsk;
  throw new GhostkeepError(
    'BAD_POLICY',
    subject,
    `cannot accept ${subject}: ${prefix}${option.slice(0, 80)} has no value; expected: ${prefix}KEY=VALUE`,
  );
}

type Wish = [key: string, value: string | undefined];

function parseWishes(wishes: Wish[], { subject, prefix }: Asker): PolicyDocument {
  const document = Object.fromEntries(
    wishes.map(([key, value]) => [key, booleans.has(key) ? parseBoolean(value) : value]),
  );
  const unknown = Object.keys(document).find(key => !(settableKeys as readonly string[]).includes(key));
  if (unknown !== undefined) {
    const known = settableKeys.map(key => `${prefix}${key}`).join(', ');
    const name = `${prefix}${unknown.slice(0, 80)}`;
    throw new GhostkeepError(
      'BAD_POLICY',
      subject,
      `cannot accept ${subject}: there is no key ${name}, only ${known}`,
    );
  }
  assertDocument<PolicyDocument>('Policy', document, subject, 'BAD_POLICY', prefix);
  return document;
}

/** Later documents override earlier ones, key by key. */
export function resolvePolicy(...documents: PolicyDocument[]): Policy {
  // biome-ignore lint/plugin: only as many documents as the caller names
  const all: PolicyDocument = Object.assign({}, defaults, ...documents);
  const { enabled, limit, reserve, engine, verify, warm, allowMissing, closedShm, moveDeadline } = all;
  return {
    enabled: enabled ?? defaults.enabled,
    limit: limit === undefined ? undefined : parseSize(limit, 'limit'),
    reserve: parseSize(reserve ?? defaults.reserve, 'reserve'),
    engine: engine ?? defaults.engine,
    verify: verify ?? defaults.verify,
    warm: warm ?? defaults.warm,
    allowMissing: allowMissing ?? defaults.allowMissing,
    closedShm: closedShm ?? (allowMissing ? 'warn' : 'refuse'),
    moveDeadlineMs: (moveDeadline ?? defaultMoveDeadline) * 1000,
  };
}

/** Any text but `true` and `false` stays as it is, so that the schema refuses it and names its key. */
function parseBoolean(text: string | undefined): boolean | string | undefined {
  return text === 'true' ? true : text === 'false' ? false : text;
}

/**
 * The host's policy wins: it says which keys a container's annotations and CRIU's plugin options may set, and
 * its sizes are bounds for their sizes.
 */
import { GhostkeepError } from '../base/errors.js';
import { parseSize } from '../base/units.js';
import {
  type Asker,
  allowedByDefault,
  annotationsAsk,
  defaults,
  type PolicyDocument,
  resolvePolicy,
} from './policy.js';

/** @throws BAD_POLICY naming each key that asks for more than HOST lets a container have */
export function assertPermitted(host: PolicyDocument, wishes: PolicyDocument, asker: Asker): void {
  const { subject, prefix } = asker;
  const faults = Object.entries(wishes).flatMap(([key, value]) => {
    const allowed = whatIsAllowed(host, key, value, asker);
    return allowed ? [`${prefix}${key} is ${JSON.stringify(value)}, ${allowed}`] : [];
  });
  if (faults.length === 0) return;
  throw new GhostkeepError('BAD_POLICY', subject, `cannot accept ${subject}: ${faults.join('; ')}`);
}

/**
 * Adds to HOST those wishes of a container that it permits. HOST may have changed since they were accepted.
 */
export function withWishes(host: PolicyDocument, wishes: PolicyDocument): PolicyDocument {
  const permitted = Object.entries(wishes).filter(
    ([key, value]) => whatIsAllowed(host, key, value, annotationsAsk) === undefined,
  );
  return { ...host, ...Object.fromEntries(permitted) };
}

/** @returns undefined if KEY may be VALUE, and otherwise what the host allows */
function whatIsAllowed(
  host: PolicyDocument,
  key: string,
  value: unknown,
  { prefix, one }: Asker,
): string | undefined {
  const keys: readonly string[] = host.allow ?? allowedByDefault;
  if (!keys.includes(key)) {
    const names = keys.map(name => `${prefix}${name}`);
    return `and the host's config.json allows ${names.length > 0 ? `only ${names.join(', ')}` : `no ${one}`} (\`allow\`)`;
  }
  const { limit, reserve } = resolvePolicy(host);
  if (key === 'limit' && limit !== undefined && sizeOf(key, value) > limit)
    return `it must be ${JSON.stringify(host.limit)} or less, the host's \`limit\` (config.json)`;
  if (key === 'reserve' && sizeOf(key, value) < reserve)
    return `it must be ${JSON.stringify(host.reserve ?? defaults.reserve)} or more, the host's \`reserve\` (config.json)`;
  return undefined;
}

function sizeOf(key: string, value: unknown): bigint {
  return parseSize(value as string | number, key);
}

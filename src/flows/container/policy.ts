import { bounds } from '../../base/bounds.js';
import { assertPermitted, withWishes } from '../../oci/bounds.js';
import {
  annotationsAsk,
  optionsAsk,
  type Policy,
  type PolicyDocument,
  parseAnnotations,
  parseConfig,
  parseOption,
  resolvePolicy,
} from '../../oci/policy.js';
import type { Context } from '../context.js';
import { findSession, type Session } from './sessions.js';

export const configPath = '/etc/ghostkeep/config.json';

export function readConfig({ host }: Context): PolicyDocument {
  const bytes = host.files.readIfThere(configPath, bounds.policy);
  return bytes ? parseConfig(bytes.toString('utf8'), configPath) : {};
}

/**
 * Reads the policy that a container's annotations ask for, and checks it against the host's. @throws
 * BAD_POLICY
 */
export function wishesOf(context: Context, annotations: Record<string, string | undefined>): PolicyDocument {
  const wishes = parseAnnotations(annotations);
  assertPermitted(readConfig(context), wishes, annotationsAsk);
  return wishes;
}

/**
 * Reads the policy that a plugin option of CRIU asks for, and checks it in the same way.
 * @param option KEY=VALUE @throws BAD_POLICY
 */
export function wishOfOption(context: Context, option: string): PolicyDocument {
  const wish = parseOption(option);
  assertPermitted(readConfig(context), wish, optionsAsk);
  return wish;
}

/**
 * The policy for the processes that are being dumped: the host's policy, with the wishes of the container's
 * session if a hook has recorded one.
 * @param options wishes for this dump alone; they override the container's
 */
export function policyOf(
  context: Context,
  pid: number,
  options: PolicyDocument = {},
): { policy: Policy; session: Session | undefined } {
  const session = findSession(context, pid);
  return { policy: policyOfSession(context, session, options), session };
}

/** A session record may be older than the host's policy, so the host's current policy is the bound. */
export function policyOfSession(
  context: Context,
  session: Session | undefined,
  options: PolicyDocument = {},
): Policy {
  return resolvePolicy(withWishes(readConfig(context), { ...session?.policy, ...options }));
}

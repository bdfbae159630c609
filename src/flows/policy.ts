import {
  type Policy,
  type PolicyDocument,
  parseAnnotations,
  parseConfig,
  resolvePolicy,
} from '../oci/policy.js';
import type { Context } from './context.js';
import { findSession, type Session } from './sessions.js';

export const configPath = '/etc/ghostkeep/config.json';

export function readConfig({ host }: Context): PolicyDocument {
  const bytes = host.files.readIfThere(configPath);
  return bytes ? parseConfig(bytes.toString('utf8'), configPath) : {};
}

/** The host's policy overridden by the container's annotations, checked as a whole. @throws BAD_POLICY */
export function containerPolicy(
  context: Context,
  annotations: Record<string, string | undefined>,
): PolicyDocument {
  const document = { ...readConfig(context), ...parseAnnotations(annotations) };
  resolvePolicy(document);
  return document;
}

/** For the processes that are being dumped: their container's session where a hook made one, else the host's. */
export function policyOf(context: Context, pid: number): { policy: Policy; session: Session | undefined } {
  const session = findSession(context, pid);
  return { policy: resolvePolicy(session ? session.policy : readConfig(context)), session };
}

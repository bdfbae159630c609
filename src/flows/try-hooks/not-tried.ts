/** Lists the cases that a trial does not test, even if it succeeds. */
import { asksForUs, type PolicyDocument } from '../../oci/policy.js';
import { configPath, readConfig } from '../container/policy.js';
import type { TriedBundle } from './bundle.js';
import { playedHooks } from './hooks.js';
import type { TestbedContext } from './testbed-context.js';

export function listNotTried(
  context: TestbedContext,
  bundle: TriedBundle | undefined,
  seesMappings: boolean,
): string[] {
  const mapped = 'a file that only a mapping holds: /proc/PID/map_files needs root or CAP_CHECKPOINT_RESTORE';
  return [
    ...(seesMappings ? [] : [mapped]),
    'addresses of mappings, and two processes with one descriptor between them: CRIU restores those',
    ...(bundle ? [...otherHooks(bundle), ...otherContainers(context, bundle)] : []),
  ];
}

function otherHooks({ config: { hooks = {} } }: TriedBundle): string[] {
  const others = Object.entries(hooks as Record<string, unknown>)
    .filter(([name, list]) => !(playedHooks as readonly string[]).includes(name) && !isEmpty(list))
    .map(([name]) => name);
  return others.length === 0
    ? []
    : [`hooks ${others.join(', ')}: a trial calls ${playedHooks.join(', ')} only`];
}

function isEmpty(list: unknown): boolean {
  return Array.isArray(list) && list.length === 0;
}

/** The trial works because the bundle has an annotation. Containers without one are treated differently. */
function otherContainers(context: TestbedContext, { config: { annotations } }: TriedBundle): string[] {
  if (!asksForUs(annotations)) return [];
  const isOff = configOf(context).enabled === false;
  const policy = `there the host's policy ${isOff ? `(${configPath}: "enabled": false) leaves files to CRIU` : 'applies'}`;
  return [`containers without annotations of ours (this bundle has some): hooks leave them alone, ${policy}`];
}

/** A config that cannot be read has already made a hook fail. */
function configOf(context: TestbedContext): PolicyDocument {
  try {
    return readConfig(context);
  } catch {
    return {};
  }
}

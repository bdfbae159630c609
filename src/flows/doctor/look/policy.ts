import { reasonOf } from '../../../base/errors.js';
import { type Policy, resolvePolicy } from '../../../oci/policy.js';
import { configPath, readConfig } from '../../container/policy.js';
import type { TestbedContext } from '../../try-hooks/testbed-context.js';

/**
 * The host's settings, or the reason why they cannot be read. Without the file, each setting has its default.
 */
export function hostPolicy(
  context: TestbedContext,
): { policy: Policy; isThere: boolean } | { fault: string } {
  try {
    const isThere = context.host.files.exists(configPath);
    return { policy: resolvePolicy(readConfig(context)), isThere };
  } catch (error) {
    return { fault: reasonOf(error) };
  }
}

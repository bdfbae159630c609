import { translate } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import type { IdMaps } from '../../base/id-map.js';

/**
 * Reads id maps and mount namespace of the first process that still lives; all PIDS belong to one container.
 * @throws HOLDER_GONE
 */
export function namespacesOf(
  processes: ProcessView,
  pids: readonly number[],
): { idMaps: IdMaps; mountNamespace: string } {
  let failure: unknown = new Error('there is none');
  for (const pid of pids) {
    try {
      return { idMaps: processes.idMaps(pid), mountNamespace: processes.mountNamespace(pid) };
    } catch (error) {
      failure = error;
    }
  }
  throw translate(
    failure,
    'HOLDER_GONE',
    `process ${pids.join(', ')}`,
    `cannot dump process ${pids.join(', ')}`,
  );
}

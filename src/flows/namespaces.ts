import { translate } from '../base/errors.js';
import type { IdMap, ProcessView } from '../base/host.js';

/** Of the first process that still lives: they are all of one container. @throws HOLDER_GONE */
export function namespacesOf(
  processes: ProcessView,
  pids: readonly number[],
): { ids: IdMap; mountNamespace: string } {
  let failure: unknown = new Error('there is none');
  for (const pid of pids) {
    try {
      return { ids: processes.idMap(pid), mountNamespace: processes.mountNamespace(pid) };
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

/**
 * Our own descriptors on the workload's ghosts. They do not depend on the dump and the restore that are
 * tried, and the restored files must equal them.
 */
import { translate } from '../../../base/errors.js';
import type { FileStat } from '../../../base/host/host.js';
import type { TestbedContext } from '../testbed-context.js';
import type { Holder, Workload } from '../workload.js';

export interface Original {
  kind: string;
  /** Place in the list of kinds: the new process expects the ghost at descriptor 100 + index. */
  index: number;
  fd: number;
  stat: FileStat;
  holders: Holder[];
}

/** The caller closes them with closeOriginals. */
export function pinOriginals(context: TestbedContext, { kinds, holders }: Workload): Original[] {
  const { processes } = context.host;
  const originals: Original[] = [];
  try {
    kinds.forEach((kind, index) => {
      const own = holders.filter(holder => holder.kind === kind);
      const [first] = own;
      if (!first) throw new Error(`the workload made no ${kind}`);
      const fd = processes.pin(first.pid, linkOf(first));
      originals.push({ kind, index, fd, stat: processes.statPin(fd), holders: own });
    });
    return originals;
  } catch (error) {
    closeOriginals(context, originals);
    throw translate(error, 'IO', 'workload', "cannot open the workload's ghosts");
  }
}

export function closeOriginals({ host }: TestbedContext, originals: readonly Original[]): void {
  for (const { fd } of originals) host.processes.unpin(fd);
}

function linkOf({ role, fd, address = '0', length = 0 }: Holder): string {
  if (fd >= 0) return `fd/${fd}`;
  if (role === 'exe') return 'exe';
  return `map_files/${address}-${(BigInt(`0x${address}`) + BigInt(length)).toString(16)}`;
}

/**
 * Reading map_files takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (proc_pid_map_files(5)). We try it on our
 * own process.
 */
export function canSeeMappings({ host: { processes } }: TestbedContext): boolean {
  const self = processes.self();
  try {
    const [map] = processes.maps(self);
    if (!map) return false;
    processes.stat(self, `map_files/${map.address}`);
    return true;
  } catch {
    return false;
  }
}

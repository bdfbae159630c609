/** Says which commands and containers hold the ghosts of a scan. */
import type { ScannedContainer, ScannedProcess } from '../../base/documents/generated/scan.js';
import type { Host } from '../../base/host/host.js';
import { countToJson } from '../../base/units.js';
import type { Ghost } from '../../ghost/ghost.js';
import { Containers } from '../container/containers.js';

/**
 * Adds up the ghosts of each process and each container. A ghost that two of them hold counts in both. Those
 * that hold most come first.
 */
export function annotate(
  host: Host,
  ghosts: readonly Ghost[],
): { processes: ScannedProcess[]; containers: ScannedContainer[] } {
  const all = new Containers(host);
  const processes = new Map<number, Total<ScannedProcess>>();
  const containers = new Map<string, Total<ScannedContainer>>();
  for (const { holders, stat } of ghosts) {
    const holding = new Set<Total<object>>();
    for (const { pid } of holders) {
      const container = processes.has(pid) ? undefined : all.of(pid);
      const process = getOrAdd(processes, pid, () => ({
        pid,
        command: commandOf(host, pid),
        ...(container && { container: container.id }),
        ...nothing,
      }));
      holding.add(process);
      if (container) getOrAdd(containers, container.id, () => ({ ...container, ...nothing }));
      const inContainer = process.container === undefined ? undefined : containers.get(process.container);
      if (inContainer) holding.add(inContainer);
    }
    for (const total of holding) {
      total.ghosts += 1;
      total.allocated += stat.allocated;
    }
  }
  return { processes: mostFirst(processes), containers: mostFirst(containers) };
}

type Total<T> = Omit<T, 'ghosts' | 'allocated'> & { ghosts: number; allocated: bigint };
const nothing = { ghosts: 0, allocated: 0n };

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key) ?? make();
  map.set(key, known);
  return known;
}

function mostFirst<T extends Total<object>>(totals: ReadonlyMap<unknown, T>) {
  return [...totals.values()]
    .sort((a, b) => Number(b.allocated - a.allocated))
    .map(each => ({ ...each, allocated: countToJson(each.allocated) }));
}

/** A process that has ended since it was looked at has no name any more. */
function commandOf({ processes }: Host, pid: number): string {
  try {
    return processes.commandName(pid);
  } catch {
    return '';
  }
}

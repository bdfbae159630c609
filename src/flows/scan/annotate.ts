/** Says which commands and containers hold the ghosts of a scan. */
import type { ScannedContainer, ScannedProcess } from '../../base/documents/generated/scan.js';
import type { Host } from '../../base/host/host.js';
import { countToJson } from '../../base/units.js';
import type { Ghost } from '../../ghost/ghost.js';
import { Containers } from '../container/containers.js';

export function annotate(
  host: Host,
  ghosts: readonly Ghost[],
): { processes: ScannedProcess[]; containers: ScannedContainer[] } {
  const all = new Containers(host);
  const processes = new Map<number, ScannedProcess>();
  const containers = new Map<string, { id: string; name?: string; ghosts: number; allocated: bigint }>();
  for (const { holders, stat } of ghosts) {
    const holding = new Set<string>();
    for (const { pid } of holders) {
      const known = processes.get(pid);
      const container = known ? undefined : all.of(pid);
      const process = known ?? {
        pid,
        command: commandOf(host, pid),
        ...(container && { container: container.id }),
      };
      processes.set(pid, process);
      if (container && !containers.has(container.id))
        containers.set(container.id, { ...container, ghosts: 0, allocated: 0n });
      if (process.container !== undefined) holding.add(process.container);
    }
    for (const id of holding) {
      const total = containers.get(id);
      if (!total) continue;
      total.ghosts += 1;
      total.allocated += stat.allocated;
    }
  }
  const byBytes = [...containers.values()].sort((a, b) => Number(b.allocated - a.allocated));
  return {
    processes: [...processes.values()],
    containers: byBytes.map(each => ({ ...each, allocated: countToJson(each.allocated) })),
  };
}

/** A process that has ended since it was looked at has no name any more. */
function commandOf({ processes }: Host, pid: number): string {
  try {
    return processes.commandName(pid);
  } catch {
    return '';
  }
}

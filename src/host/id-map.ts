import type { IdMap } from '../base/host.js';

/** What the kernel shows for an id without a mapping. Source: user_namespaces(7), /proc/sys/kernel/overflowuid. */
const overflowId = 65534;

/**
 * uid_map and gid_map of a process, turned into functions from host ids to ids inside.
 * Source: user_namespaces(7): first-id-inside first-id-outside length
 */
export function parseIdMap(uidMap: string, gidMap: string): IdMap {
  return { uid: translator(uidMap), gid: translator(gidMap) };
}

function translator(text: string): (hostId: number) => number {
  const ranges = text
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number))
    .filter(fields => fields.length === 3) as [number, number, number][];
  return hostId => {
    for (const [inside, outside, length] of ranges) {
      if (hostId >= outside && hostId < outside + length) return inside + (hostId - outside);
    }
    return overflowId;
  };
}

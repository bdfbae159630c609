import type { IdMaps } from './documents/generated/manifest.js';

export type { IdMaps };

/** Translates host ids to ids inside the container. */
export interface IdMap {
  uid(hostId: number): number;
  gid(hostId: number): number;
}

/**
 * The kernel shows this for an id without a mapping. Source: user_namespaces(7),
 * /proc/sys/kernel/overflowuid.
 */
const overflowId = 65534;

/** Source: user_namespaces(7): first-id-inside first-id-outside length */
export function parseIdMaps({ uid, gid }: IdMaps): IdMap {
  return { uid: translator(uid), gid: translator(gid) };
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

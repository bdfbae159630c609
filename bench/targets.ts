/**
 * The highest ratio that we want, ours to the best peer's. It was chosen from the costs that the parts of a
 * dump have when they are measured alone: reflink where the file system has it, else one gathering write for
 * each read window. Targets for a dump are for the time frozen. Targets for a restore are for files that
 * ghostkeep makes itself, because in a restore by CRIU it is CRIU that writes.
 */
type Targets = Record<string, Record<string, number>>;

const dumpTargets: Targets = {
  dense: { ext4: 0.35, xfs: 0.05, btrfs: 0.02, tmpfs: 0.45 },
  '4k-4k': { ext4: 0.4, xfs: 0.5, btrfs: 0.25, tmpfs: 0.45 },
  hole: { ext4: 1.5, xfs: 1.5, btrfs: 1.5, tmpfs: 1.5 },
  fallocated: { ext4: 1.5, xfs: 1.5, btrfs: 1.5 },
};
/** The frozen time of many small ghosts. */
export const manySmallTarget = 1.5;
/**
 * Targets for files that are on disk already. Fewer extents are dirty than in the other state, where CRIU's
 * FIEMAP has to write them out first.
 */
const dumpSynced: Targets = { '4k-4k': { ext4: 0.35 } };
const restoreTargets: Targets = {
  dense: { ext4: 0.6, xfs: 0.05, btrfs: 0.05, tmpfs: 0.6 },
  '4k-4k': { ext4: 0.6, xfs: 0.6, btrfs: 0.6, tmpfs: 0.6 },
};

export function dumpTarget(pattern: string, filesystem: string, state: string): number | undefined {
  const kind = kindOf(pattern);
  return (state === 'synced' ? dumpSynced[kind]?.[filesystem] : undefined) ?? dumpTargets[kind]?.[filesystem];
}

export function restoreTarget(pattern: string, filesystem: string): number | undefined {
  return restoreTargets[kindOf(pattern)]?.[filesystem];
}

/** The most time in ms that a checkpoint may take longer than by CRIU alone. */
export interface MostAdded {
  total: number;
  frozen: number;
}

/** Each descriptor has to be looked at, which takes two system calls. */
const descriptorMs = 0.003;

/**
 * The most time that may be added without a ghost. Every checkpoint on the host pays this, because most
 * containers have none.
 */
export function mostAddedWithout(descriptors: number): MostAdded {
  return { total: 15 + descriptors * descriptorMs, frozen: 1 + descriptors * descriptorMs };
}

/**
 * The most time that may be added with one small ghost: the helper starts, and has next to nothing to copy.
 */
export const mostAddedByOne: MostAdded = { total: 110, frozen: 6 };
/** A restore of a checkpoint of ours, in ms longer than CRIU alone. */
export const mostAddedAtRestore = 70;
/** How much the ratio to CRIU alone may grow on a machine that is busy with other work. */
export const mostGrowth = 1.2;
/** A hook of a container with annotations of ours, in ms longer than /bin/true. */
export const mostAddedByHook = 30;
/**
 * The target of a scan, as a ratio to the time of lsof: for one process with few descriptors, and for a
 * hundred with a thousand each.
 */
export const scanTargets = { few: 2, many: 0.35 };

/**
 * The kind of a pattern is the key of dumpTargets with which its name begins: `4k-4k-256m` is of kind 4k-4k,
 * and `hole-1024m-8k` is of kind hole.
 */
function kindOf(pattern: string): string {
  return Object.keys(dumpTargets).find(kind => pattern.startsWith(kind)) ?? '';
}

/**
 * The time from the pause to the resume, less that of a process without files. Unchanged bytes are read twice
 * and compared, where CRIU reads and writes them. Where blocks are shared (xfs, btrfs), no byte is read, and
 * the start of the helper is most of the time.
 */
const roundsTargets: Record<string, number> = { ext4: 0.35, xfs: 0.35, btrfs: 0.15, tmpfs: 0.45 };
/** The target is so many times higher where 1 % of the pages has changed. */
const fewMore = 1.25;

export function roundsTarget(changed: number, filesystem: string): number | undefined {
  const unchanged = roundsTargets[filesystem];
  if (unchanged === undefined || changed === 0) return unchanged;
  return changed < 1 ? unchanged * fewMore : 1;
}

/**
 * The target for the time frozen of a move. CHANGED is the part of the 4 KiB pages that has changed since the
 * last round.
 */
export function moveTarget(changed: number): number {
  return changed === 0 ? 0.07 : changed < 1 ? 0.1 : 1;
}

/** We want at least half the throughput of a pipe or socket that compares nothing. */
export const throughputTarget = 2;

/**
 * The part of a ghost's bytes that our helper may write while the holder is paused, if nothing has changed.
 */
export const roundsWritten = 0.02;

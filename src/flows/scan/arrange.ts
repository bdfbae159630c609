/** Which of the ghosts that were found a user wants to see, and in which order. */
import type { Ghost } from '../../ghost/ghost.js';
import { pathOf } from '../../ghost/ghost.js';

export const sortKeys = ['allocated', 'size', 'path', 'pid'] as const;

export interface View {
  /** Default: the most allocated bytes first. */
  sort?: (typeof sortKeys)[number];
  /** Leave out ghosts for which fewer bytes are allocated. */
  minAllocated?: bigint;
  /** Only ghosts that these keep. */
  keptBy?: readonly Ghost['keep'][];
}

export function arrange(
  ghosts: readonly Ghost[],
  { sort = 'allocated', minAllocated = 0n, keptBy }: View,
): { shown: Ghost[]; others: Ghost[] } {
  const isWanted = ({ stat, keep }: Ghost) =>
    stat.allocated >= minAllocated && (keptBy === undefined || keptBy.includes(keep));
  return {
    shown: ghosts.filter(isWanted).sort(orders[sort]),
    others: ghosts.filter(ghost => !isWanted(ghost)),
  };
}

type Order = (a: Ghost, b: Ghost) => number;

const orders: Record<NonNullable<View['sort']>, Order> = {
  allocated: (a, b) => descending(a.stat.allocated, b.stat.allocated) || descending(a.stat.size, b.stat.size),
  size: (a, b) => descending(a.stat.size, b.stat.size),
  path: (a, b) => pathOf(a).compare(pathOf(b)),
  pid: (a, b) => firstPid(a) - firstPid(b),
};

const descending = (a: bigint, b: bigint) => (a === b ? 0 : a > b ? -1 : 1);
const firstPid = ({ holders }: Ghost) =>
  holders.reduce((least, { pid }) => Math.min(least, pid), Number.MAX_SAFE_INTEGER);

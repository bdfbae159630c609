/** Chooses the ghosts that a user wants to see, and puts them in order. */
import type { Ghost } from '../../ghost/ghost.js';
import { pathOf } from '../../ghost/ghost.js';

export const sortKeys = ['allocated', 'size', 'path', 'pid'] as const;

export interface View {
  /** Default: the most allocated bytes first. */
  sort?: (typeof sortKeys)[number];
  /** Leave out ghosts for which fewer bytes are allocated. */
  minAllocated?: bigint;
  /**
   * Show only ghosts that a checkpoint would leave to these: `ghostkeep`, `criu`, or `no` if nobody could
   * keep them.
   */
  keptBy?: readonly Ghost['keep'][];
  /** Show at most so many ghosts, the first ones in this order. */
  top?: number;
}

/**
 * `shown` are the ghosts that a user sees, in order. `counted` are those that the totals count. `others` are
 * those that are not shown.
 */
export interface Arranged {
  shown: Ghost[];
  counted: Ghost[];
  others: Ghost[];
}

/** `top` shortens only the list and not `counted`, because the totals say which container holds most. */
export function arrange(
  ghosts: readonly Ghost[],
  { sort = 'allocated', minAllocated = 0n, keptBy, top = ghosts.length }: View,
): Arranged {
  const isWanted = ({ stat, keep }: Ghost) =>
    stat.allocated >= minAllocated && (keptBy === undefined || keptBy.includes(keep));
  const counted = ghosts.filter(isWanted).sort(orders[sort]);
  const others = [...counted.slice(top), ...ghosts.filter(ghost => !isWanted(ghost))];
  return { shown: counted.slice(0, top), counted, others };
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

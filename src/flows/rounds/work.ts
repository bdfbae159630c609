import { errnoOf, reasonOf } from '../../base/errors.js';
import type { Ghost } from '../../ghost/ghost.js';
import { type HeldBase, removeBase } from '../bases/base-file.js';
import type { PinnedGhost } from '../choose/pin.js';
import type { Context } from '../context.js';

/** The work of a round on one ghost. */
export interface RoundGhost {
  ghost: Ghost;
  done: 'base' | 'written-back' | 'sent' | 'nothing';
  bytes: bigint;
  differed: bigint;
  why?: string;
}

/** A round that is ended by a signal removes what it holds. */
export interface Unfinished {
  /** The file that becomes a base, as long as the round works on it. */
  base?: HeldBase;
}

/** A ghost with its base, while the round works on it. */
export interface Work extends RoundGhost, Unfinished {
  pinned: PinnedGhost;
  /** The base holds an earlier image. */
  over: boolean;
  /** A call works on its base: it must not be closed. */
  busy?: 'copying' | 'settling';
  /** There is no room for it any more. */
  tooFull?: string;
}

export const ghostsOf = (works: readonly Work[]) => works.map(({ ghost }) => ghost);

export function giveUp(context: Context, work: Work, why: string): void {
  const { base } = work;
  delete work.base;
  Object.assign(work, { done: 'nothing', why });
  if (base) removeBase(context, base);
}

export function attempt(work: Work, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    work.why = reasonOf(error);
  }
}

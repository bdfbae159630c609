import { errnoOf, reasonOf } from '../../base/errors.js';
import type { Ghost } from '../../ghost/ghost.js';
import { type HeldBase, removeBase } from '../bases/base-file.js';
import type { PinnedGhost } from '../choose/pin.js';
import type { Context } from '../context.js';

/** The result of a round for one ghost. */
export interface RoundGhost {
  ghost: Ghost;
  done: 'base' | 'written-back' | 'sent' | 'nothing';
  bytes: bigint;
  differed: bigint;
  why?: string;
}

/** The part of the work that is removed if a signal ends the round. */
export interface Unfinished {
  /** The file that becomes a base. Set as long as the round works on it. */
  base?: HeldBase;
}

/** A ghost with its base, while the round works on it. */
export interface Work extends RoundGhost, Unfinished {
  pinned: PinnedGhost;
  /** The file holds an earlier image, which is compared and written over. */
  over: boolean;
  /** Set while a call works on the base, which must not be closed then. */
  busy?: 'copying' | 'settling';
  /** The reason why the base has to go: its room, or its disk. */
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

/** One line of a result: our figure and the best of the peers that ran in the same turns. */
import { median, range, type Samples } from './samples.js';

export interface Figure {
  ms: number;
  range: [number, number];
}

export interface Row {
  suite: string;
  /** The pattern, followed by a space and the thing that was measured. */
  case: string;
  filesystem: string;
  state: string;
  /** The fastest peer. */
  peer: string;
  oursMs: number;
  peerMs: number;
  /** ours / peer: below 1, we are faster. */
  ratio: number;
  /** The highest ratio that we want; null where there is no target. */
  target: number | null;
  /** Every byte of every run was right, in the peers' runs too. */
  equal: boolean;
  ours: Figure;
  peers: Record<string, Figure>;
  /** Names of the contenders with a wrong byte. */
  unequal?: string[];
  /** Bytes on disk of the files that each contender has written. */
  bytes?: Record<string, number>;
  /** The part of `bytes` that is content: without lists of pages, maps, digests and manifests. */
  dataOnly?: Record<string, number>;
  rounds: number;
  /** Milliseconds that each contender adds: a hook to a run without one, and we to the fastest peer. */
  addedMs?: Record<string, number>;
  /** The highest time that we want, where the target is a time and not a ratio. */
  targetMs?: number;
  /**
   * Processors at work for us while the holder was frozen: our helper's processor time divided by the time
   * frozen.
   */
  atWork?: number;
  /** The largest resident set of each contender. `targetBytes` is the most that we want for ours. */
  peakBytes?: Record<string, number>;
  targetBytes?: number;
  /**
   * Bytes that our helper has written while the holder was paused. `targetWritten` is the most that we want.
   */
  writtenBytes?: number;
  targetWritten?: number;
  /**
   * Bytes that each contender has sent to the other side: ours while the holder was frozen, a peer the image
   * directory.
   */
  sentBytes?: Record<string, number>;
  /**
   * The part of our time that passed after the ghosts had arrived: CRIU's own files are sent, and the
   * receiver seals.
   */
  sealMs?: number;
  /** Only in the growth suite: the thing that grows, and its amount. */
  growth?: { of: string; value: number };
  /**
   * Figures that others measured on another machine. Only their ratio, FIEMAP to SEEK, means something here.
   */
  published?: { fiemapMs: number; seekMs: number; ratio: number };
}

export const ours = 'ghostkeep';

export interface RowRequest {
  suite: string;
  case: string;
  filesystem: string;
  state: string;
  samples: Samples;
  target?: number | undefined;
  unequal?: ReadonlySet<string>;
  bytes?: Record<string, number>;
  dataOnly?: Record<string, number>;
  atWork?: readonly number[];
  peakBytes?: Record<string, number>;
  targetBytes?: number | undefined;
  writtenBytes?: number | undefined;
  targetWritten?: number | undefined;
  sentBytes?: Record<string, number>;
  sealMs?: readonly number[];
}

/** @throws Error when there are no samples of ours, or none of any peer */
export function makeRow(request: RowRequest): Row {
  const { samples, target, unequal, bytes, atWork, peakBytes, targetBytes, ...rest } = request;
  const { writtenBytes, targetWritten, sealMs, ...names } = rest;
  const { [ours]: own, ...others } = samples;
  if (!own) throw new Error(`${names.suite} ${names.case}: ghostkeep did not run`);
  const peers = Object.fromEntries(Object.entries(others).map(([name, values]) => [name, figure(values)]));
  const best = Object.entries(peers).toSorted(([, a], [, b]) => a.ms - b.ms)[0];
  if (!best) throw new Error(`${names.suite} ${names.case}: no peer ran`);
  const mine = figure(own);
  return {
    ...names,
    peer: best[0],
    oursMs: mine.ms,
    peerMs: best[1].ms,
    ratio: round(mine.ms / best[1].ms),
    target: target ?? null,
    equal: !unequal || unequal.size === 0,
    ours: mine,
    peers,
    ...(unequal && unequal.size > 0 ? { unequal: [...unequal] } : {}),
    ...(bytes ? { bytes } : {}),
    ...(atWork && atWork.length > 0 ? { atWork: Math.round(median(atWork) * 100) / 100 } : {}),
    ...(peakBytes && Object.keys(peakBytes).length > 0 ? { peakBytes } : {}),
    ...(targetBytes === undefined ? {} : { targetBytes }),
    ...(writtenBytes === undefined ? {} : { writtenBytes }),
    ...(targetWritten === undefined ? {} : { targetWritten }),
    ...(sealMs && sealMs.length > 0 ? { sealMs: round(median(sealMs)) } : {}),
    rounds: own.length,
  };
}

/** The same row with the time that we add to the fastest peer's, and the most that we want to add. */
export function withAdded(row: Row, mostMs: number): Row {
  return { ...row, addedMs: { [ours]: round(row.oursMs - row.peerMs) }, targetMs: round(mostMs) };
}

function figure(values: readonly number[]): Figure {
  const [low, high] = range(values);
  return { ms: round(median(values)), range: [round(low), round(high)] };
}

/** Digits below a microsecond mean nothing. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/**
 * Runs the contenders in turns (A B A B), so that a disturbance of the machine affects both, and evaluates
 * the samples.
 */

export interface Samples {
  [contender: string]: number[];
}

/**
 * Run every contender once a round. Each run returns its own figure.
 * @param until performance.now() by which all rounds should end. The first round is always run. Another one
 * begins only if a round of average length would end in time.
 */
export async function interleave(
  contenders: Readonly<Record<string, (round: number) => Promise<number> | number>>,
  rounds: number,
  until = Number.POSITIVE_INFINITY,
): Promise<Samples> {
  const samples: Samples = {};
  const started = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    const now = performance.now();
    if (round > 0 && now + (now - started) / round > until) break;
    for (const [name, run] of Object.entries(contenders)) {
      const list = samples[name] ?? [];
      samples[name] = list;
      list.push(await run(round));
    }
  }
  return samples;
}

/**
 * The middle value, or the mean of the middle two. No values are an error, because a figure must not come
 * from nowhere.
 */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('there is no median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[sorted.length / 2 - 1] as number) + upper) / 2;
}

export function range(values: readonly number[]): [number, number] {
  if (values.length === 0) throw new Error('there is no range of nothing');
  return [Math.min(...values), Math.max(...values)];
}

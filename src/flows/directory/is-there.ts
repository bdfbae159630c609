import { errnoOf } from '../../base/errors.js';
import type { Context } from '../context.js';

/**
 * Does PATH exist? The question never waits for a file server that is dead.
 * @returns `silent` if a server on the way does not answer
 */
export function isThere({ host }: Context, path: string): 'yes' | 'no' | 'silent' {
  const { processes } = host;
  const self = processes.self();
  try {
    return processes.inTurn([self], () => processes.statInRoot(self, Buffer.from(path))) ? 'yes' : 'no';
  } catch (error) {
    if (errnoOf(error) === 'ETIMEDOUT') return 'silent';
    return 'no';
  }
}

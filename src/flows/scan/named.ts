import { GhostkeepError, translate } from '../../base/errors.js';
import type { UnseenInSearch } from '../../ghost/find/unseen.js';

/** Yama and other security modules decide on their own: CAP_SYS_PTRACE is necessary and may not be enough. */
export const whoMayLook = 'it takes root with CAP_SYS_PTRACE, and no security module that forbids it';

/**
 * Among many processes some end and some belong to others, so we skip these. For a process that the user
 * named, "no ghosts" must mean that it has none.
 * @throws NOT_FOUND, PERMISSION
 */
export function assertNamedWereSeen(unseen: readonly UnseenInSearch[], named: readonly number[]): void {
  const one = unseen.find(({ pid, what }) => named.includes(pid) && (what === 'fd' || what === 'process'));
  if (!one) return;
  const { cause } = one;
  const what = `process ${one.pid}`;
  if (one.what === 'process')
    throw new GhostkeepError('NOT_FOUND', what, `cannot look at ${what}: there is none`, { cause });
  const { code, message } = translate(cause, 'IO', what, `cannot look at ${what}`);
  const wayOut = code === 'PERMISSION' ? `; ${whoMayLook}` : '';
  throw new GhostkeepError(code, what, `${message}${wayOut}`, { cause });
}

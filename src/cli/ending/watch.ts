import { GhostkeepError } from '../../base/errors.js';
import type { Watch, Watched } from '../../flows/context.js';
import { ProcessDeadline } from '../../host/deadline.js';
import { errorLine } from '../print/line.js';

/** The gate waits for its helper for the same time. */
const waitMs = 30_000;

/** The deadline of a command that waits for file servers and whose caller has no deadline of its own. */
export function watch({ subject, action, wayOut, folder }: Watched): Watch {
  const message = `${action}: nothing moved for ${waitMs / 1000} s; ${wayOut}`;
  return new ProcessDeadline(waitMs, 1, errorLine(new GhostkeepError('DEADLINE', subject, message)), folder);
}

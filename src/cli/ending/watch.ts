import { GhostkeepError } from '../../base/errors.js';
import type { Watch, Watched } from '../../flows/context.js';
import { ProcessDeadline } from '../../host/deadline.js';
import { errorLine } from '../print/line.js';

/** As long as the gate waits for its helper. */
const waitMs = 30_000;

/** For whoever waits for servers, and has nobody who waits for it. */
export function watch({ subject, action, wayOut, folder }: Watched): Watch {
  const message = `${action}: nothing moved for ${waitMs / 1000} s; ${wayOut}`;
  return new ProcessDeadline(waitMs, 1, errorLine(new GhostkeepError('DEADLINE', subject, message)), folder);
}

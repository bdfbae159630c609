import type { Host } from '../base/host/host.js';
import type { Log } from '../base/log.js';

/** What every flow is given: the machine, a log, and whom to tell that it moves. */
export interface Context {
  host: Host;
  log: Log;
  /** Called while bytes move; a caller with a deadline starts it anew. */
  alive?: () => void;
  /** Program and version, for manifests. */
  tool: string;
}

/** Turns byte counts into signs of life: no new byte, no sign. */
export function whenMoving(context: Context): (done: bigint) => void {
  let before = 0n;
  return done => {
    if (done !== before) context.alive?.();
    before = done;
  };
}

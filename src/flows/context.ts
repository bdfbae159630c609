import type { Host } from '../base/host/host.js';
import type { Log } from '../base/log.js';

/** What every flow is given: the machine, a log, and whom to tell that it moves. */
export interface Context {
  host: Host;
  log: Log;
  /** Called while bytes move; a caller with a deadline starts it anew. */
  alive?: () => void;
  /** Undefined where whoever called has a deadline of its own. */
  watch?: (watched: Watched) => Watch;
  /** Program and version, for manifests. */
  tool: string;
}

/** What may never end, because a server does not answer any more. */
export interface Watched {
  subject: string;
  /** `cannot dump …`: how the message begins. */
  action: string;
  /** How it ends. */
  wayOut: string;
  /** It goes with the program, and the files in it. */
  folder?: string;
}

/**
 * When nothing is alive for its time the program ends with DEADLINE, also where a call on the dead server
 * blocks everything else.
 */
export interface Watch {
  alive(): void;
  stop(): void;
}

/** Turns byte counts into signs of life: no new byte, no sign. */
export function whenMoving(context: Context): (done: bigint) => void {
  let before = 0n;
  return done => {
    if (done !== before) context.alive?.();
    before = done;
  };
}

import type { Host } from '../base/host/host.js';
import type { Log } from '../base/log.js';
import type { Progress } from '../base/progress.js';

/** Every flow is given this: the machine, a log, and callbacks for callers that wait with a deadline. */
export interface Context {
  host: Host;
  log: Log;
  /** A flow calls this while bytes move. A caller that has a deadline then starts the deadline anew. */
  alive?: () => void;
  /** A flow tells how far it has come. Undefined where nobody looks. */
  progress?: Progress;
  /** Starts a deadline of our own. Undefined where the caller already has one. */
  watch?: (watched: Watched) => Watch;
  /** Program and version, for manifests. */
  tool: string;
}

/** Work that may never end because a file server does not answer any more. */
export interface Watched {
  subject: string;
  /** The beginning of the message: `cannot dump …`. */
  action: string;
  /** The end of the message. */
  wayOut: string;
  /** If the deadline ends the program, the program removes this folder with its files first. */
  folder?: string;
}

/**
 * A deadline. If nobody calls `alive` in time, the program ends with DEADLINE, even while a call to the dead
 * server blocks everything else.
 */
export interface Watch {
  alive(): void;
  stop(): void;
}

/**
 * Turns the byte counts of one call of the engine into progress and signs of life: it calls `alive` only if
 * bytes have moved since the last call.
 */
export function whenMoving({ alive, progress }: Pick<Context, 'alive' | 'progress'>): (done: bigint) => void {
  let before = 0n;
  return done => {
    if (done === before) return;
    progress?.moved(done - before);
    before = done;
    alive?.();
  };
}

/** Like whenMoving, but without progress, for a second look at bytes that are counted already. */
export function aliveWhenMoving({ alive }: Context): (done: bigint) => void {
  return whenMoving(alive ? { alive } : {});
}

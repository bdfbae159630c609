import { setImmediate as nextTurn } from 'node:timers/promises';

export class Interrupted extends Error {}

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/**
 * Signals to a command that runs another one. Until that begins, they end the work. From then on they are the
 * other's, which gets a terminal's as well: what we hold must outlive a closed terminal and a Ctrl-C.
 */
export class Interruption {
  /** The first that came in time. */
  signal: Signal | undefined;
  #begun = false;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (!this.#begun) this.signal ??= signal;
      });
  }

  /** The other command begins, in this turn of the event loop. @throws Interrupted where a signal has come */
  async assertNone(): Promise<void> {
    // What came during work without the event loop is told by its next look at its descriptors, between these
    // two.
    await nextTurn();
    await nextTurn();
    if (this.signal !== undefined) throw new Interrupted(this.signal);
    this.#begun = true;
  }
}

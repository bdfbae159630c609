import { setImmediate as nextTurn } from 'node:timers/promises';

export class Interrupted extends Error {}

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/**
 * Handles signals for a command that runs another one. Until the other one begins, a signal ends our work.
 * From then on we ignore it: the other command gets a terminal's signals itself, and the ghosts that we hold
 * must survive a closed terminal and a Ctrl-C.
 */
export class Interruption {
  /** The first signal that came before the other command began. */
  signal: Signal | undefined;
  #begun = false;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (!this.#begun) this.signal ??= signal;
      });
  }

  /**
   * The caller starts the other command in the turn of the event loop in which this resolves, so that no
   * signal is handled between the two.
   * @throws Interrupted if a signal has come
   */
  async assertNone(): Promise<void> {
    // A signal that came during work without the event loop is reported when the loop next polls its
    // descriptors, which happens between these two turns.
    await nextTurn();
    await nextTurn();
    if (this.signal !== undefined) throw new Interrupted(this.signal);
    this.#begun = true;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof signals)[number];

/**
 * Handles signals for a command that has something to undo and lets a child do the work. No signal ends the
 * command itself. It passes them on to the child, and notes one that comes before there is a child.
 */
export class Parent {
  /** The first signal that came before the child began. */
  signal: Signal | undefined;
  #child: ChildProcess | undefined;

  constructor() {
    for (const signal of signals) process.on(signal, this.#take);
  }

  /** With our own stdin, stdout and stderr. @returns the exit status as a shell gives it */
  async run(argv: readonly string[], environment: Record<string, string>): Promise<number> {
    const child = spawn(argv[0] as string, argv.slice(1), {
      stdio: 'inherit',
      env: { ...process.env, ...environment },
    });
    this.#child = child;
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) =>
        resolve(status ?? 128 + (signal ? constants.signals[signal] : 0)),
      );
    });
  }

  end(): void {
    for (const signal of signals) process.off(signal, this.#take);
  }

  readonly #take = (signal: Signal) => {
    if (this.#child) this.#child.kill(signal);
    else this.signal ??= signal;
  };
}

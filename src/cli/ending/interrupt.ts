import { constants } from 'node:os';
import { reasonOf } from '../../base/errors.js';
import { exitAtOnce } from '../../host/native/libc.js';
import { line } from '../print/line.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Until WORK has ended, a signal runs UNDO, prints the message it returns, and ends the process. We do not
 * wait for the native library's other threads: they write into files that have no name any more. The exit
 * status is a shell's for that signal. Source: POSIX, Shell & Utilities, 2.8.2.
 */
export async function orUndo<T>(undo: () => string, work: () => Promise<T>): Promise<T> {
  const stop = (signal: (typeof signals)[number]) => {
    process.stderr.write(line(`ghostkeep: ${signal}: ${attempt(undo)}`));
    exitAtOnce(128 + constants.signals[signal]);
  };
  for (const signal of signals) process.once(signal, stop);
  try {
    return await work();
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}

function attempt(undo: () => string): string {
  try {
    return undo();
  } catch (error) {
    return reasonOf(error);
  }
}

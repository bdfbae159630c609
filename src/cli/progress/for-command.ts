/** Decides to whom a command that may take long says how far it has come, and how. */
import fs from 'node:fs';
import { Progress } from '../../base/progress.js';
import type { Context } from '../../flows/context.js';
import { usage } from '../args.js';
import { makeContext } from '../context.js';
import { makeLogger } from '../log/logger.js';
import { neverWaitForStderr, openAtOnce } from './never-wait.js';
import { jsonLines, type Pace, type Printer, terminalLine, textLines } from './printers.js';

export const verboseOption = { verbose: { type: 'boolean', short: 'v' } } as const;

/** The option for programs: it names a descriptor that the program has opened, and JSON lines go there. */
export const progressOption = { progress: { type: 'string' } } as const;

const clock = () => performance.now();
const onTerminal: Pace = { clock, afterMs: 1000, everyMs: 200 };
const toProgram: Pace = { clock, afterMs: 0, everyMs: 500 };
const inLog: Pace = { clock, afterMs: 1000, everyMs: 2000 };

/**
 * A context that shows progress: as JSON lines on the descriptor PROGRESS_FD if one is given, else on stderr.
 * There it is JSON lines with --verbose and --json together, otherwise one line on a terminal, otherwise
 * lines with --verbose, and nothing without it. --verbose without --json also shows what flows note.
 */
export function contextWithProgress({
  verbose = false,
  json = false,
  progressFd,
}: {
  verbose?: boolean | undefined;
  json?: boolean | undefined;
  progressFd?: number | undefined;
}): Context {
  neverWaitForStderr();
  const print = progressFd === undefined ? printerFor(verbose, json) : linesTo(progressFd);
  const context = makeContext(makeLogger({ level: verbose && !json ? 'info' : 'warn' }));
  if (!print) return context;
  const progress: Progress = new Progress(clock, () => print(() => progress.look()));
  return { ...context, progress };
}

/** @throws USAGE where VALUE is no number of a descriptor, or none is open there */
export function progressFdOf(command: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const fd = /^[0-9]{1,9}$/.test(value) ? Number(value) : -1;
  try {
    fs.fstatSync(fd);
    return fd;
  } catch {
    throw usage(
      command,
      `--progress is ${JSON.stringify(value)}, it must be the number of an open descriptor`,
    );
  }
}

/**
 * Writes JSON lines to a descriptor. A reader that has gone, or that is too slow, does not keep the work from
 * going on. Lines are shorter than PIPE_BUF, so a full pipe takes all of a line or nothing. In a regular
 * file, lines are written at the descriptor's own offset.
 */
function linesTo(fd: number): Printer {
  const stat = fs.fstatSync(fd);
  const mayWait = stat.isFIFO() || stat.isCharacterDevice();
  const write = mayWait ? writerThatNeverWaits(`/proc/self/fd/${fd}`) : writerTo(fd);
  return jsonLines(text => write?.(text), toProgram);
}

function writerTo(fd: number): (text: string) => void {
  return text => {
    try {
      fs.writeSync(fd, text);
    } catch {
      // Nobody reads this line, so it may be lost.
    }
  };
}

function printerFor(verbose: boolean, json: boolean): Printer | undefined {
  const write = (text: string) => void process.stderr.write(text);
  if (verbose && json) return jsonLines(write, inLog);
  if (process.stderr.isTTY) return lineOnTerminal();
  return verbose ? textLines(write, inLog) : undefined;
}

/**
 * Shows progress as one line on the terminal. The line is removed before anybody writes to stderr or stdout,
 * which may be the same terminal.
 */
function lineOnTerminal(): Printer | undefined {
  const write = writerThatNeverWaits('/proc/self/fd/2');
  if (!write) return undefined;
  const { print, clear } = terminalLine(write, () => process.stderr.columns, onTerminal);
  for (const stream of [process.stdout, process.stderr]) {
    const own = stream.write.bind(stream);
    stream.write = ((...args: Parameters<typeof own>) => {
      clear();
      // biome-ignore lint/plugin: passed on, as many as the function takes
      return own(...args);
    }) as typeof stream.write;
  }
  process.once('exit', clear);
  return print;
}

/** @returns undefined where the file cannot be opened again: see openAtOnce */
function writerThatNeverWaits(file: string): ((text: string) => void) | undefined {
  const fd = openAtOnce(file);
  return fd === undefined ? undefined : writerTo(fd);
}

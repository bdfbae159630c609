/** A command that may take long says how far it has come: here it is decided to whom, and how. */
import { Progress } from '../../base/progress.js';
import type { Context } from '../../flows/context.js';
import { makeContext } from '../context.js';
import { makeLogger } from '../log/logger.js';
import { jsonLines, type Pace, type Printer, terminalLine, textLines } from './printers.js';

export const verboseOption = { verbose: { type: 'boolean', short: 'v' } } as const;

const clock = () => performance.now();
const onTerminal: Pace = { clock, afterMs: 1000, everyMs: 200 };
const inLog: Pace = { clock, afterMs: 1000, everyMs: 2000 };

/**
 * A context whose progress is shown on stderr: as one line on a terminal; with --verbose elsewhere, too, as
 * lines, or as JSON lines with --json. --verbose also shows what flows note.
 */
export function contextWithProgress({
  verbose = false,
  json = false,
}: {
  verbose?: boolean | undefined;
  json?: boolean | undefined;
}): Context {
  const print = printerFor(verbose, json);
  const context = makeContext(makeLogger({ level: verbose && !json ? 'info' : 'warn' }));
  if (!print) return context;
  const progress: Progress = new Progress(clock, () => print(() => progress.look()));
  return { ...context, progress };
}

function printerFor(verbose: boolean, json: boolean): Printer | undefined {
  const write = (text: string) => void process.stderr.write(text);
  if (verbose && json) return jsonLines(write, inLog);
  if (process.stderr.isTTY) return lineOnTerminal();
  return verbose ? textLines(write, inLog) : undefined;
}

/** The line goes before anybody else writes, to stdout as well, which may be the same terminal. */
function lineOnTerminal(): Printer {
  const write = process.stderr.write.bind(process.stderr);
  const { print, clear } = terminalLine(
    text => void write(text),
    () => process.stderr.columns,
    onTerminal,
  );
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

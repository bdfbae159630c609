import { Writable } from 'node:stream';
import { createLogger, format, transports } from 'winston';
import type { LogFields } from '../../base/log.js';
import { toPrintable } from '../../base/text/printable.js';
import { appendTo } from '../../host/files/append-to.js';

export interface WriterOptions {
  /** JSON lines go here too; the first of them creates the file. */
  file?: string;
  /** A file that has this many bytes gets the name FILE.old before the next line is written. */
  mostBytes?: number;
  /** Least level on stderr; the file gets everything. */
  level?: LogEntry['level'];
}

export interface LogEntry extends LogFields {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  timestamp: string;
}

const json = format.json();

/**
 * Writes to stderr by the method that process.stderr has when a line is written, because src/cli/progress/
 * may have replaced it.
 */
function stderr() {
  return new Writable({
    decodeStrings: false,
    write(line, _encoding, done) {
      process.stderr.write(line);
      done();
    },
  });
}

/**
 * Each line is in the file when its call returns, because the process may end at any time. Errors are
 * ignored: a log that cannot be written is no reason to fail.
 */
function lineByLine(file: string, mostBytes: number | undefined) {
  const stream = new Writable({
    write(line, _encoding, done) {
      try {
        appendTo(file, line, mostBytes);
      } catch {}
      done();
    },
  });
  return new transports.Stream({ stream, format: json });
}

/**
 * Writes JSON lines to the file and readable lines to stderr, because people read stderr wherever it leads:
 * runtimes show a hook's to their users, the gate puts the helper's into CRIU's log, and a shell mixes it
 * with other commands'.
 */
export function makeWriter({ file, mostBytes, level = 'warn' }: WriterOptions): (entry: LogEntry) => void {
  const human = format.printf(({ level: at, message }) =>
    toPrintable(`ghostkeep: ${at === 'warn' ? 'warning: ' : ''}${String(message)}`),
  );
  const logger = createLogger({
    level: 'debug',
    transports: [
      new transports.Stream({ stream: stderr(), level, format: human }),
      ...(file ? [lineByLine(file, mostBytes)] : []),
    ],
  });
  return entry => void logger.log(entry);
}

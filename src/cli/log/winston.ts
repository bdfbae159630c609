import { Writable } from 'node:stream';
import { createLogger, format, transports } from 'winston';
import type { LogFields } from '../../base/log.js';
import { toPrintable } from '../../base/text/printable.js';
import { appendTo } from '../../host/files/append-to.js';

export interface WriterOptions {
  /** JSON lines go here too; the first of them creates the file. */
  file?: string;
  /**
   * Each line is in the file when its call returns, for a process that may end at any time. Such a file does
   * not rotate.
   */
  atOnce?: boolean;
  /** Least level on stderr; the file gets everything. */
  level?: LogEntry['level'];
}

export interface LogEntry extends LogFields {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  timestamp: string;
}

const largestFileBytes = 10 * 1024 * 1024;

const json = format.json();

function rotatingFile(file: string) {
  return new transports.File({
    filename: file,
    format: json,
    lazy: true,
    maxsize: largestFileBytes,
    maxFiles: 2,
    options: { flags: 'a', mode: 0o600 },
  });
}

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

/** Ignores errors: a log that cannot be written is no reason to fail. */
function fileAtOnce(file: string) {
  const stream = new Writable({
    write(line, _encoding, done) {
      try {
        appendTo(file, line);
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
export function makeWriter({
  file,
  atOnce = false,
  level = 'warn',
}: WriterOptions): (entry: LogEntry) => void {
  const human = format.printf(({ level: at, message }) =>
    toPrintable(`ghostkeep: ${at === 'warn' ? 'warning: ' : ''}${String(message)}`),
  );
  const logger = createLogger({
    level: 'debug',
    transports: [
      new transports.Stream({ stream: stderr(), level, format: human }),
      ...(file ? [atOnce ? fileAtOnce(file) : rotatingFile(file)] : []),
    ],
  });
  return entry => void logger.log(entry);
}

import { createLogger, format, transports } from 'winston';
import type { LogFields } from '../base/log.js';

export interface WriterOptions {
  /** JSON lines go here too; the file is made with the first of them. */
  file?: string;
  /** Least level on stderr; the file gets everything. */
  level?: LogEntry['level'];
}

export interface LogEntry extends LogFields {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  timestamp: string;
}

const largestFileBytes = 10 * 1024 * 1024;

/** Human on a terminal, JSON lines otherwise and in the file. */
export function makeWriter({ file, level = 'warn' }: WriterOptions): (entry: LogEntry) => void {
  const human = format.printf(
    ({ level: at, message }) => `ghostkeep: ${at === 'warn' ? 'warning: ' : ''}${String(message)}`,
  );
  const json = format.json();
  const logger = createLogger({
    level: 'debug',
    transports: [
      new transports.Console({
        stderrLevels: ['error', 'warn', 'info', 'debug'],
        level,
        format: process.stderr.isTTY ? human : json,
      }),
      ...(file
        ? [
            new transports.File({
              filename: file,
              format: json,
              lazy: true,
              maxsize: largestFileBytes,
              maxFiles: 2,
              options: { flags: 'a', mode: 0o600 },
            }),
          ]
        : []),
    ],
  });
  return entry => void logger.log(entry);
}

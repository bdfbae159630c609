import { createLogger, format, transports } from 'winston';
import type { Log, LogFields } from '../base/log.js';

export interface LoggerOptions {
  /** JSON lines go here too; the file is made with the first of them. */
  file?: string;
  /** Least level on stderr; the file gets everything. */
  level?: 'debug' | 'info' | 'warn' | 'error';
}

const largestFileBytes = 10 * 1024 * 1024;

/** Human on a terminal, JSON lines otherwise and in the file; one line an event. */
export function makeLogger({ file, level = 'warn' }: LoggerOptions = {}): Log {
  const human = format.printf(
    ({ level: at, message }) => `ghostkeep: ${at === 'warn' ? 'warning: ' : ''}${String(message)}`,
  );
  const json = format.combine(format.timestamp(), format.json());
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
  const at = (name: string) => (message: string, fields?: LogFields) => {
    logger.log({ ...fields, level: name, message });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

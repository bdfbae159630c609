import { setImmediate } from 'node:timers/promises';
import type { Log, LogFields } from '../../base/log.js';
import type { LogEntry, WriterOptions } from './winston.js';

export interface LoggerOptions extends WriterOptions {
  /** Writes nothing before flush(), for a caller that has no time to lose now. */
  deferred?: boolean;
}

export interface Logger extends Log {
  /** Loads the module that writes, which takes time. */
  prepare(): Promise<unknown>;
  /** Writes the lines logged so far. */
  flush(): Promise<void>;
}

const loggers: Logger[] = [];

/** Writes the waiting lines of all loggers, before the process prints its last line. */
export async function flushLogs(): Promise<void> {
  for (const logger of loggers) await logger.flush();
}

/** Logs one line for each event. Winston is loaded for the first line only, because most runs log none. */
export function makeLogger(options: LoggerOptions = {}): Logger {
  const waiting: LogEntry[] = [];
  let writer: Promise<(entry: LogEntry) => void> | undefined;

  function prepare() {
    writer ??= import('./winston.js').then(({ makeWriter }) => makeWriter(options));
    return writer;
  }
  async function flush(): Promise<void> {
    if (waiting.length === 0) return;
    const write = await prepare();
    for (const entry of waiting.splice(0)) write(entry);
    // Streams pass their data on in the event loop's next turn.
    await setImmediate();
  }
  const at = (level: LogEntry['level']) => (message: string, fields?: LogFields) => {
    waiting.push({ ...fields, level, message, timestamp: new Date().toISOString() });
    if (waiting.length === 1 && !options.deferred) void setImmediate().then(flush);
  };
  const logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    prepare,
    flush,
  };
  loggers.push(logger);
  return logger;
}

import { setImmediate } from 'node:timers/promises';
import type { Log, LogFields } from '../../base/log.js';
import type { LogEntry, WriterOptions } from './winston.js';

export interface LoggerOptions extends WriterOptions {
  /** Nothing is written before flush(): for who has no time to lose now. */
  deferred?: boolean;
}

export interface Logger extends Log {
  /** Load what writes: it takes its time. */
  prepare(): Promise<unknown>;
  /** Write what has been said so far. */
  flush(): Promise<void>;
}

const loggers: Logger[] = [];

/** What is still unsaid, of all loggers: before the process says its last word. */
export async function flushLogs(): Promise<void> {
  for (const logger of loggers) await logger.flush();
}

/** One line an event. Winston is loaded when there is a first one: most runs have nothing to say. */
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
    // Streams hand on what they are given in the event loop's next turn.
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

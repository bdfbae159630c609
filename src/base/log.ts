/** Fields of a line about a ghost, a process or a container, so that logs can be filtered by them. */
export interface LogFields {
  ghost?: string;
  pid?: number;
  container?: string;
  [field: string]: unknown;
}

/** Writes one line for each event. Flows are given a log; the cli makes it (src/cli/log/logger.ts). */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const nothing = () => {};
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

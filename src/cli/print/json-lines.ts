/** JSON lines on stderr, for a command whose stdout belongs to another program. */
import type { ReceiveLine } from '../../base/documents/generated/receive-line.js';
import type { GhostkeepError } from '../../base/errors.js';
import type { Log } from '../../base/log.js';

export function printLine(line: ReceiveLine): void {
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

export function printErrorLine({ code, subject, message }: GhostkeepError): void {
  printLine({ message_type: 'error', code, subject, message });
}

/** A log whose lines are JSON as well. It leaves out what only helps to find faults. */
export function jsonLog(): Log {
  const at = (level: 'info' | 'warn' | 'error') => (message: string) =>
    printLine({ message_type: 'message', level, message });
  return { debug: () => {}, info: () => {}, warn: at('warn'), error: at('error') };
}

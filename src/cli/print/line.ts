import type { GhostkeepError } from '../../base/errors.js';
import { toPrintable } from '../../base/text/printable.js';

/**
 * A line for people. Anybody may have written the text that it quotes, so no character of it may end the line
 * or act on the terminal.
 */
export function line(text: string): string {
  return `${toPrintable(text.replaceAll(/\s*\n\s*/g, ' '))}\n`;
}

/** Formats an error as a line for stderr. The line ends with the code, because scripts look for it there. */
export function errorLine({ message, code }: GhostkeepError): string {
  return withCode(`ghostkeep: ${message}`, code);
}

/** Formats a text as line() does, and adds the code after it, because line() shortens a very long text. */
export function withCode(text: string, code: string): string {
  return `${line(text).trimEnd()} [${line(code).trimEnd()}]\n`;
}

import type { GhostkeepError } from '../../base/errors.js';
import { toPrintable } from '../../base/text/printable.js';

/**
 * A line for people. Anybody may have written the text that it quotes, so no character of it may end the line
 * or act on the terminal.
 */
export function line(text: string): string {
  return `${toPrintable(text.replaceAll(/\s*\n\s*/g, ' '))}\n`;
}

/** An error's line on stderr, the last one that we print: scripts look for the code at its end. */
export function errorLine({ message, code }: GhostkeepError): string {
  return withCode(`ghostkeep: ${message}`, code);
}

/** Like line; the code is there even if the text is cut off. */
export function withCode(text: string, code: string): string {
  return `${line(text).trimEnd()} [${line(code).trimEnd()}]\n`;
}

import type { GhostkeepError } from '../../base/errors.js';
import { toPrintable } from '../../base/text/printable.js';

/**
 * A line for people. What it quotes may be anybody's: no character of it ends the line or acts on the
 * terminal.
 */
export function line(text: string): string {
  return `${toPrintable(text.replaceAll(/\s*\n\s*/g, ' '))}\n`;
}

/** What is said of an error on stderr, last of all: scripts look for the code at the end. */
export function errorLine({ message, code }: GhostkeepError): string {
  return withCode(`ghostkeep: ${message}`, code);
}

/** As line; the code is there however long the text is. */
export function withCode(text: string, code: string): string {
  return `${line(text).trimEnd()} [${line(code).trimEnd()}]\n`;
}

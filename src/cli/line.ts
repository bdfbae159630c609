import type { GhostkeepError } from '../base/errors.js';
import { toPrintable } from '../base/printable.js';

/** A line for people. What it quotes may be anybody's: no character of it ends the line or acts on the terminal. */
export function line(text: string): string {
  return `${toPrintable(text.replaceAll(/\s*\n\s*/g, ' '))}\n`;
}

/** What is said of an error on stderr, last of all: scripts look for the code at the end. */
export function errorLine({ message, code }: GhostkeepError): string {
  return line(`ghostkeep: ${message} [${code}]`);
}

/** The first of them, and how many more there are. */
export function showSome(items: readonly (string | number)[]): string {
  const shown = items.slice(0, 8).join(', ');
  return items.length > 8 ? `${shown} and ${items.length - 8} more` : shown;
}

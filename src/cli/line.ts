import { toPrintable } from '../base/printable.js';

/** A line for people. What it quotes may be anybody's: no character of it ends the line or acts on the terminal. */
export function line(text: string): string {
  return `${toPrintable(text.replaceAll(/\s*\n\s*/g, ' '))}\n`;
}

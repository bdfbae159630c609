import type { GhostkeepError } from '../../base/errors.js';

let begun = false;

/** Prints the one JSON document that a command with --json prints. */
export function printJson(value: unknown): void {
  beginJson();
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** For a command that prints its document in pieces. */
export function beginJson(): void {
  begun = true;
}

/** A command that fails before it has a document prints the error as one. */
export function printJsonError({ code, subject, message }: GhostkeepError): void {
  if (!begun) printJson({ error: { code, subject, message } });
}

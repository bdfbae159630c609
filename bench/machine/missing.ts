/** Things that this machine could not measure are reported once and written into the result. */
const said = new Map<string, string>();

export function missing(what: string, why: string): void {
  if (said.has(what)) return;
  said.set(what, why);
  process.stderr.write(`bench: without ${what}: ${why}\n`);
}

export function whatIsMissing(): Record<string, string> {
  return Object.fromEntries(said);
}

/** Called before the next suite, because a thing that one suite lacks may not concern another. */
export function forgetMissing(): void {
  said.clear();
}

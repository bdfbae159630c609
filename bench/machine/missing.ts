/** What this machine could not show is said, once, and goes into the result. */
const said = new Map<string, string>();

export function missing(what: string, why: string): void {
  if (said.has(what)) return;
  said.set(what, why);
  process.stderr.write(`bench: without ${what}: ${why}\n`);
}

export function whatIsMissing(): Record<string, string> {
  return Object.fromEntries(said);
}

/** For the next suite: what one could not show says nothing about another. */
export function forgetMissing(): void {
  said.clear();
}

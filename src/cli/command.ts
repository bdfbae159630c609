/** An entry in the table of commands. */
export interface Command {
  usage: string;
  summary: string;
  details?: string;
  /**
   * One call that does something useful. Tests run it, with the pid of a process of theirs in place of 4711.
   * Programs start the commands that have none.
   */
  example?: string;
  /** With --json it prints lines on stderr, because its stdout belongs to another program. */
  jsonLines?: true;
  /** Why it has no --json. */
  noJson?: string;
  load(): Promise<(args: string[]) => Promise<number>>;
}

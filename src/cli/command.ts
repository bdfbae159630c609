/** An entry in the table of commands. */
export interface Command {
  usage: string;
  summary: string;
  details?: string;
  /**
   * One call that does something useful. Tests run it, with the pid of a process of theirs in place of 4711.
   * A command without an example is started by programs and not by people.
   */
  example?: string;
  /** With --json the command prints lines on stderr, because its stdout belongs to another program. */
  jsonLines?: true;
  /** The reason why the command has no --json. */
  noJson?: string;
  load(): Promise<(args: string[]) => Promise<number>>;
}

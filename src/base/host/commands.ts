/** Runs programs of the host. A call rejects only when its program cannot be started. */
export interface Commands {
  /** The words that start this program, with absolute names. */
  own(): string[];
  /** Run with our own stdin, stdout and stderr; resolves to the exit status. */
  run(argv: readonly string[], environment?: Record<string, string>): Promise<number>;
  /**
   * Run a program and collect its output. After waitMs it is killed with its process group. SIGINT is passed
   * on to it.
   * @param cwd our own where it is not given
   */
  output(
    argv: readonly string[],
    waitMs: number,
    environment?: Record<string, string>,
    cwd?: string,
  ): Promise<{ status: number; stdout: string; stderr: string }>;
  /**
   * Start our own small program (native/hook) with these WORDS and leave it: it goes on when we end.
   * @throws an errno error where it cannot be started
   */
  leave(words: readonly string[]): void;
}

export interface ProgramRequest {
  /** Absolute; no PATH is searched. */
  path: string;
  /** As execve takes it: the program's own name first. */
  argv: readonly string[];
  /** Nothing is added to it. */
  environment: Record<string, string>;
  cwd: string;
  stdin?: string;
  /** Number in the program → descriptor of ours. Two numbers for one descriptor share its offset. */
  descriptors?: ReadonlyMap<number, number>;
  /** Killed after this, with all it started that stayed in its process group. */
  waitMs: number;
}

export interface Ended {
  /** Undefined when a signal ended it. */
  status: number | undefined;
  signal: string | undefined;
  /** It was killed because waitMs had passed. */
  late: boolean;
  stdout: string;
  stderr: string;
}

export interface Program {
  pid: number;
  ended: Promise<Ended>;
}

/**
 * What playing a runtime takes beyond a Host: processes of our own, and descriptors with flags and offsets.
 */
export interface Stage {
  /** Rejects when the program cannot be started. */
  start(request: ProgramRequest): Promise<Program>;
  /** A process that a program of ours started and left behind: it is ended with the others. */
  adopt(pid: number): void;
  /** Something to undo when all is over, however it ends. */
  atEnd(undo: () => void): void;
  /** A process that is gone is no error. */
  signal(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): void;
  /** Letter of /proc/PID/stat; undefined when there is no such process. */
  runState(pid: number): string | undefined;
  wait(ms: number): Promise<void>;
  /** A folder of our own, in the temporary folder or in the one named. */
  makeScratch(parent?: string): string;
  write(path: string, content: string | Uint8Array, mode: number): void;
  /** Open with the flags of fdinfo, as they are but for O_CLOEXEC. */
  openAs(path: string, flags: number): number;
  seekTo(fd: number, offset: bigint): void;
  /**
   * The next data at or after an offset; undefined when only a hole follows. Moves the descriptor's offset.
   */
  nextData(fd: number, offset: bigint, size: bigint): { start: bigint; end: bigint } | undefined;
  read(fd: number, into: Uint8Array, offset: bigint): number;
  /** A regular file that we may execute. */
  isExecutable(path: string): boolean;
  /** A file that belongs to the program: `hooks/prestart`. */
  findBeside(...parts: string[]): string | undefined;
  /** node and the script that run us. */
  self(): { node: string; program: string };
}

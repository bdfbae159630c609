export interface ProgramRequest {
  /** Absolute; no PATH is searched. */
  path: string;
  /** The words that execve(2) takes, with the program's own name first. */
  argv: readonly string[];
  /** The program gets exactly this environment. */
  environment: Record<string, string>;
  cwd: string;
  stdin?: string;
  /** Number in the program → descriptor of ours. Two numbers for one descriptor share its offset. */
  descriptors?: ReadonlyMap<number, number>;
  /**
   * After this time the program is killed, with all processes it started that stayed in its process group.
   */
  waitMs: number;
}

export interface Ended {
  /** Undefined when a signal ended it. */
  status: number | undefined;
  signal: string | undefined;
  /** The program was killed because waitMs had passed. */
  late: boolean;
  /** It ended, and a process that it has left behind still had its stdout or stderr open a second later. */
  lingers: boolean;
  stdout: string;
  stderr: string;
}

/** Names of files that were searched for, relative to the folder. */
export interface Found {
  names: string[];
  looked: number;
  /** False when the search ended at its limit. */
  complete: boolean;
}

export interface Program {
  pid: number;
  ended: Promise<Ended>;
}

/**
 * The means to play a runtime that a Host does not have: processes of our own, and descriptors with flags and
 * offsets.
 */
export interface Testbed {
  /** Rejects when the program cannot be started. */
  start(request: ProgramRequest): Promise<Program>;
  /** Note a process that one of our programs started and left behind, so that it is ended with the others. */
  adopt(pid: number): void;
  /** UNDO is called at the end, in whatever way the run ends. */
  atEnd(undo: () => void): void;
  /** Send a signal. It is no error if the process is gone. */
  signal(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): void;
  /** The letter of the process's state in /proc/PID/stat; undefined when there is no such process. */
  runState(pid: number): string | undefined;
  wait(ms: number): Promise<void>;
  /** A folder of our own, in the temporary folder or in the one named. */
  makeScratch(parent?: string): string;
  write(path: string, content: string | Uint8Array, mode: number): void;
  /** Open with the flags that fdinfo shows, but without O_CLOEXEC. */
  openAs(path: string, flags: number): number;
  seekTo(fd: number, offset: bigint): void;
  /**
   * The next data at or after an offset; undefined when only a hole follows. Moves the descriptor's offset.
   */
  nextData(fd: number, offset: bigint, size: bigint): { start: bigint; end: bigint } | undefined;
  read(fd: number, into: Uint8Array, offset: bigint): number;
  /** True for a regular file that we may execute. */
  isExecutable(path: string): boolean;
  /** Finds a file that belongs to the program: `hooks/prestart`. */
  findBeside(...parts: string[]): string | undefined;
  /** The words that start this program, with absolute names. */
  ownCommand(): string[];
  /**
   * Files below FOLDER whose names match, among the first MOST names. It follows no link and enters no other
   * mount.
   */
  findBelow(folder: string, pattern: RegExp, most: number): Found;
}

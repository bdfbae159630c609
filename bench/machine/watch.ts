/**
 * Measures the memory and processor time of a process from outside while it runs, by reading /proc every few
 * milliseconds.
 */
import fs from 'node:fs';

export interface Use {
  /**
   * The largest resident set. The kernel keeps this maximum, so only growth after our last look is missed.
   */
  peakBytes: number;
  /** User and system time of all its threads, from the first time that `counts` is true. */
  cpuMs: number;
  /** Bytes that it has written from that time on, by write(2) and its kin and by copy_file_range(2). */
  writtenBytes: number;
}

export interface WatchRequest {
  /** Asked until it finds the process: a helper begins later than the program that starts it. */
  find(): number | undefined;
  /** Processor time and bytes count from the first time that this is true; without it, from the start. */
  counts?(): boolean;
}

type Counts = Pick<Use, 'cpuMs' | 'writtenBytes'>;

const everyMs = 4;
/** USER_HZ is 100 on every architecture that Node runs on. Source: time(7) */
const tickMs = 10;

/**
 * @returns a function that ends the watch and returns the use; it returns undefined if there was no such
 * process, or if `counts` was never true
 */
export function watch({ find, counts = () => true }: WatchRequest): () => Use | undefined {
  let pid: number | undefined;
  let peakBytes = 0;
  let before: Counts | undefined;
  let after: Counts = { cpuMs: 0, writtenBytes: 0 };
  const look = () => {
    try {
      pid ??= find();
      if (pid === undefined) return;
      peakBytes = Math.max(peakBytes, peakOf(pid));
      after = { cpuMs: cpuMsOf(pid), writtenBytes: writtenBytesOf(pid) };
      if (before === undefined && counts()) before = after;
    } catch (error) {
      // The process has ended. The last values seen stay.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  };
  const timer = setInterval(look, everyMs);
  return () => {
    clearInterval(timer);
    if (before === undefined || peakBytes === 0) return undefined;
    const writtenBytes = after.writtenBytes - before.writtenBytes;
    return { peakBytes, cpuMs: after.cpuMs - before.cpuMs, writtenBytes };
  };
}

/** Finds the gate's helper by its command line. */
export function findHelper(): number | undefined {
  const pids = fs.readdirSync('/proc').filter(name => /^[0-9]+$/.test(name));
  return pids.map(Number).find(pid => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('\0gate\0dump\0');
    } catch {
      return false;
    }
  });
}

/** True while CRIU has stopped the process. Source: proc_pid_stat(5), state t */
export function isStopped(pid: number): boolean {
  return statFields(pid)[0] === 't';
}

/** True where SIGSTOP has stopped it. Source: proc_pid_stat(5), state T */
export function isPaused(pid: number): boolean {
  return statFields(pid)[0] === 'T';
}

/** 0 for a zombie, which has no memory. */
function peakOf(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Source: proc_pid_io(5). A process that is ending says no more. */
function writtenBytesOf(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? 0);
}

/** utime and stime, fields 14 and 15. */
function cpuMsOf(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/**
 * Fields from the third on. They begin after the last ")", because the name before it may contain anything.
 */
function statFields(pid: number): string[] {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** What a process takes, seen from outside while it runs: /proc tells, read every few milliseconds. */
import fs from 'node:fs';

export interface Use {
  /** Its largest resident set: the kernel keeps it, so only what came after the last look is missed. */
  peakBytes: number;
  /** User and system, of all its threads, in the time that counts. */
  cpuMs: number;
}

export interface WatchRequest {
  /** Asked again until it knows: a helper begins later than who starts it. */
  find(): number | undefined;
  /** From when on processor time counts; without it from the start. */
  counts?(): boolean;
}

const everyMs = 4;
/** USER_HZ is 100 on every architecture that Node runs on. Source: time(7) */
const tickMs = 10;

/** @returns how to end it and know: undefined when there was no such process, or its time never came */
export function watch({ find, counts = () => true }: WatchRequest): () => Use | undefined {
  let pid: number | undefined;
  let [peakBytes, before, after] = [0, undefined as number | undefined, 0];
  const look = () => {
    try {
      pid ??= find();
      if (pid === undefined) return;
      peakBytes = Math.max(peakBytes, peakOf(pid));
      after = cpuMsOf(pid);
      if (before === undefined && counts()) before = after;
    } catch (error) {
      // It has ended. What was seen last stands.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  };
  const timer = setInterval(look, everyMs);
  return () => {
    clearInterval(timer);
    return before === undefined || peakBytes === 0 ? undefined : { peakBytes, cpuMs: after - before };
  };
}

/** The gate's helper, by its command line. */
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

/** CRIU has stopped it. Source: proc_pid_stat(5), state t */
export function isStopped(pid: number): boolean {
  return statFields(pid)[0] === 't';
}

/** 0 of a zombie, which has no memory. */
function peakOf(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** utime and stime, fields 14 and 15. */
function cpuMsOf(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** From the third on: after the last ")", the name before it may hold anything. */
function statFields(pid: number): string[] {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

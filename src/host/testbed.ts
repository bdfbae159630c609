/**
 * Plays a container runtime: it starts processes of our own and makes descriptors like those of a container.
 */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import type {} from '../base/host/host.js';
import type { Ended, Program, ProgramRequest, Testbed } from '../base/host/testbed.js';
import { findBelow } from './find-below.js';
import { seek } from './native/libc.js';
import { findBeside, ownCommand } from './native/program-files.js';

const largestOutput = 256 * 1024;
/**
 * A process that the program has started, and that has left its process group, may keep our pipes open. After
 * the program has ended we read on for this long.
 */
const lastWordsMs = 1000;
/** 24 days. Node.js ends a longer timer at once. Source: Node.js, setTimeout */
const longestWaitMs = 0x7fffffff;
const closeOnExec = 0o2000000; // O_CLOEXEC. Source: asm-generic/fcntl.h
const whence = { set: 0, data: 3, hole: 4 }; // Source: lseek(2)

export class LinuxTestbed implements Testbed {
  readonly #running = new Map<number, () => void>();
  /**
   * Pid → start time. These processes are not our children. If one has ended, another process may have its
   * pid by now, and the start time tells them apart.
   */
  readonly #adopted = new Map<number, string | undefined>();
  #scratch: string[] = [];
  #undo: (() => void)[] = [];

  start(request: ProgramRequest): Promise<Program> {
    const child = spawn(request.path, request.argv.slice(1), {
      ...(request.argv[0] === undefined ? {} : { argv0: request.argv[0] }),
      cwd: request.cwd,
      env: request.environment,
      stdio: ['pipe', 'pipe', 'pipe', ...descriptorList(request.descriptors)],
      detached: true,
    });
    let late = false;
    let lingers = false;
    const killGroup = () => this.#signalAll(-(child.pid ?? 0));
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (part: string) => {
        if (text[name].length < largestOutput) text[name] += part;
      });
    }
    // A program may leave its stdin unread.
    child.stdin?.on('error', () => {});
    child.stdin?.end(request.stdin ?? '');

    const ended = new Promise<Ended>(resolve => {
      const timer = setTimeout(
        () => {
          late = true;
          killGroup();
        },
        Math.min(request.waitMs, longestWaitMs),
      );
      child.on('error', () => clearTimeout(timer));
      child.on('exit', () => {
        clearTimeout(timer);
        if (child.pid !== undefined) this.#running.delete(child.pid);
        const last = setTimeout(() => {
          lingers = true;
          child.stdout?.destroy();
          child.stderr?.destroy();
        }, lastWordsMs);
        child.on('close', () => clearTimeout(last));
      });
      child.on('close', (status, signal) =>
        resolve({ status: status ?? undefined, signal: signal ?? undefined, late, lingers, ...text }),
      );
    });
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('spawn', () => {
        const pid = child.pid as number;
        this.#running.set(pid, killGroup);
        resolve({ pid, ended });
      });
    });
  }

  adopt(pid: number): void {
    this.#adopted.set(pid, startTime(pid));
  }

  atEnd(undo: () => void): void {
    this.#undo.push(undo);
  }

  signal(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): void {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** End every program that still runs and remove the files that were made, also if the run ends early. */
  close(keep: boolean): void {
    for (const kill of this.#running.values()) kill();
    this.#running.clear();
    for (const [pid, started] of this.#adopted)
      if (started !== undefined && startTime(pid) === started) this.signal(pid, 'SIGKILL');
    this.#adopted.clear();
    for (const undo of this.#undo) undo();
    this.#undo = [];
    if (keep) return;
    for (const folder of this.#scratch) fs.rmSync(folder, { recursive: true, force: true });
    this.#scratch = [];
  }

  runState(pid: number): string | undefined {
    return statFields(pid)?.[0];
  }

  wait(ms: number): Promise<void> {
    return sleep(ms);
  }

  makeScratch(parent = tmpdir()): string {
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(parent, 'ghostkeep-try-')));
    this.#scratch.push(folder);
    return folder;
  }

  write(file: string, content: string | Uint8Array, mode: number): void {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content, { flag: 'wx', mode });
    fs.chmodSync(file, mode);
  }

  openAs(file: string, flags: number): number {
    return fs.openSync(file, flags & ~closeOnExec);
  }

  seekTo(fd: number, offset: bigint): void {
    const at = seek(fd, offset, whence.set);
    if (at < 0n) throw seekError(fd, at);
  }

  nextData(fd: number, offset: bigint, size: bigint): { start: bigint; end: bigint } | undefined {
    if (offset >= size) return undefined;
    const start = seek(fd, offset, whence.data);
    if (start === -6n) return undefined; // ENXIO
    if (start < 0n) throw seekError(fd, start);
    const end = seek(fd, start, whence.hole);
    if (end < 0n) throw seekError(fd, end);
    return { start, end };
  }

  read(fd: number, into: Uint8Array, offset: bigint): number {
    return fs.readSync(fd, into, { position: offset });
  }

  isExecutable(file: string): boolean {
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return fs.statSync(file).isFile();
    } catch {
      return false;
    }
  }

  findBeside(...parts: string[]): string | undefined {
    return findBeside(parts.join('/'));
  }

  ownCommand(): string[] {
    return ownCommand();
  }

  findBelow = findBelow;

  #signalAll(group: number): void {
    if (group !== 0) this.signal(group, 'SIGKILL');
  }
}

/** Fields 3 and later of /proc/PID/stat; undefined when there is no such process. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function startTime(pid: number): string | undefined {
  return statFields(pid)?.[19];
}

/**
 * child_process wants an array whose index is the descriptor number. Numbers it skips are closed in the
 * child.
 */
function descriptorList(descriptors: ReadonlyMap<number, number> = new Map()): (number | 'ignore')[] {
  const last = [...descriptors.keys()].reduce((largest, fd) => Math.max(largest, fd), 2);
  return Array.from({ length: last - 2 }, (_, index) => descriptors.get(index + 3) ?? 'ignore');
}

function seekError(fd: number, result: bigint): NodeJS.ErrnoException {
  const code = getSystemErrorName(Number(result));
  return Object.assign(new Error(`lseek in descriptor ${fd}: ${code}`), { code, syscall: 'lseek' });
}

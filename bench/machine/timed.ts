/** Runs one command and measures its wall time. A command that fails gives no result. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { windowBytes } from '../content/patterns.js';
import { type Use, type WatchRequest, watch } from './watch.js';

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Given on stdin. */
  input?: string;
  /** The path of a log whose end is shown when the command fails. */
  log?: string;
}

/** A million extents take CRIU a minute on an idle machine. */
const waitMs = 180_000;

/** @throws Error with the command's last words when its status is not 0 */
export function timed(words: readonly string[], { env, cwd, log, input }: RunOptions = {}): number {
  const started = performance.now();
  const { status, stderr, error, signal } = spawnSync(words[0] as string, words.slice(1), {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe'],
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
    timeout: waitMs,
    killSignal: 'SIGKILL',
    ...(env ? { env: { ...process.env, ...env } } : {}),
    ...(cwd ? { cwd } : {}),
  });
  const ms = performance.now() - started;
  if (status === 0) return ms;
  throw failure(words, error?.message ?? signal ?? `status ${status}`, stderr, log);
}

/** Like timed, while WATCHER watches. It is given the command's pid. */
export async function timedAndWatched(
  words: readonly string[],
  { env, cwd, log }: RunOptions,
  watcher: (pid: number) => WatchRequest,
): Promise<{ ms: number; use: Use | undefined }> {
  const started = performance.now();
  const child = spawn(words[0] as string, words.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: waitMs,
    killSignal: 'SIGKILL',
    ...(env ? { env: { ...process.env, ...env } } : {}),
    ...(cwd ? { cwd } : {}),
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString('utf8');
  });
  const stop = watch(watcher(child.pid ?? 0));
  try {
    const end = await new Promise<{ ms: number; why: string | undefined }>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (status, signal) =>
        resolve({
          ms: performance.now() - started,
          why: status === 0 ? undefined : (signal ?? `status ${status}`),
        }),
      );
    });
    if (end.why !== undefined) throw failure(words, end.why, stderr, log);
    return { ms: end.ms, use: stop() };
  } finally {
    stop();
  }
}

function failure(words: readonly string[], why: string, stderr: string, log: string | undefined): Error {
  const said =
    log && fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').slice(-12).join('\n') : '';
  return new Error(`${words.join(' ')}: ${why}\n${stderr.trim()}\n${said}`);
}

/**
 * Reads all files of a folder. A median means nothing if the files are in memory in one turn and have to come
 * from the disk in the next.
 */
export function readAll(folder: string): void {
  const block = Buffer.allocUnsafe(windowBytes);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const fd = fs.openSync(path.join(folder, entry.name), 'r');
    while (fs.readSync(fd, block) > 0);
    fs.closeSync(fd);
  }
}

/**
 * Writes as many bytes as a timed run is going to write, and removes them, right before the run. Free memory
 * that the machine's host has taken back faults in at a fraction of the speed, so the second contender would
 * win.
 */
export function warm(folder: string, bytes: number): void {
  const file = path.join(folder, 'warm');
  const fd = fs.openSync(file, 'wx', 0o600);
  const block = Buffer.alloc(windowBytes, 1);
  try {
    for (let at = 0; at < bytes; at += block.length) fs.writeSync(fd, block, 0, block.length, at);
  } finally {
    fs.closeSync(fd);
    fs.unlinkSync(file);
  }
}

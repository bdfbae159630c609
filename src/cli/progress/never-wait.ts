/**
 * A reader may be slow or stopped (Ctrl-S, a full pipe, a broken connection), and processes may be frozen
 * until we go on. So stderr gets at once what its reader takes. The rest is kept here until more is written,
 * or until the command ends.
 */
import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import { canTake } from '../../host/native/libc.js';

const stderr = 2;
/**
 * A pipe or a socket that takes anything at all takes at least this much. Source: _POSIX_PIPE_BUF in limits.h
 */
const pieceBytes = 512;
const lookEveryMs = 20;

let waiting: Buffer = Buffer.alloc(0);
let isDone = false;

/** From now on no line on stderr waits for its reader. */
export function neverWaitForStderr(): void {
  const stat = fs.fstatSync(stderr);
  if (isDone || !(stat.isFIFO() || stat.isCharacterDevice() || stat.isSocket())) return;
  isDone = true;
  const send = senderAtOnce(stderr);
  process.stderr.write = (text: string | Uint8Array) => {
    waiting = Buffer.concat([waiting, Buffer.from(text as string)]);
    drain(send);
    return true;
  };
  // Nobody is frozen any more, and the last words must arrive. A listener in main.ts ends the process.
  process.prependOnceListener('exit', sendAll);
}

function sendAll(): void {
  drain(bytes => fs.writeSync(stderr, bytes));
  // A program that shares the descriptor may have set O_NONBLOCK, and then a write may take nothing.
  while (waiting.length > 0) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lookEveryMs);
    drain(bytes => fs.writeSync(stderr, bytes));
  }
}

function drain(send: (bytes: Buffer) => number): void {
  try {
    while (waiting.length > 0) {
      const sent = send(waiting);
      if (sent === 0) return;
      waiting = waiting.subarray(sent);
    }
  } catch (error) {
    // The reader has gone.
    if (errnoOf(error) !== 'EAGAIN') waiting = Buffer.alloc(0);
  }
}

/** @returns a function that returns how many bytes were taken, which may be none */
function senderAtOnce(fd: number): (bytes: Buffer) => number {
  const own = openAtOnce(`/proc/self/fd/${fd}`);
  if (own === undefined) return bytes => (mayWrite(fd) ? fs.writeSync(fd, bytes.subarray(0, pieceBytes)) : 0);
  return bytes => fs.writeSync(own, bytes);
}

/**
 * True if FD takes a write without waiting. Without the native library nobody can ask. Then we write, because
 * ghostkeep has frozen nothing: it dumps nothing without that library.
 */
function mayWrite(fd: number): boolean {
  try {
    return canTake(fd);
  } catch {
    return true;
  }
}

/**
 * Opens a pipe or a terminal again, for writes that never wait. O_NONBLOCK belongs to the open file, and
 * other programs share that of our stderr, so it must not be set there.
 * @returns undefined if the file cannot be opened: a socket never can, and after su(1) a terminal belongs to
 * another user
 */
export function openAtOnce(file: string): number | undefined {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;
  try {
    return fs.openSync(file, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}

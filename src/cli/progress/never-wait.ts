/**
 * A reader may be slow or stopped (Ctrl-S, a full pipe, a broken connection), and processes may be frozen
 * until we go on. So stderr gets what its reader takes at once. The rest waits here until more is written, or
 * until the command ends.
 */
import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import { canTake } from '../../host/native/libc.js';

const stderr = 2;
/** A pipe or a socket that takes anything at all takes as much. Source: _POSIX_PIPE_BUF in limits.h */
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
  // Whoever shares the descriptor may have set O_NONBLOCK.
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

/** Without the native library nobody can ask, and nothing is frozen either. */
function mayWrite(fd: number): boolean {
  try {
    return canTake(fd);
  } catch {
    return true;
  }
}

/**
 * O_NONBLOCK belongs to an open file, and other programs have the one of stderr as well, so a pipe or a
 * terminal is opened again.
 * @returns undefined where it cannot be opened: a socket never can, and after su(1) a terminal is another
 * user's
 */
export function openAtOnce(file: string): number | undefined {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;
  try {
    return fs.openSync(file, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}

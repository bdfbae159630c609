import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';

/** fsync(2) of a file that lies on no disk. */
const nothingToSync = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EROFS']);

/**
 * A command whose output is lost has failed. A reader that has gone has read enough, and the work goes on to
 * its end. What cannot be said on stderr cannot be said, and changes no status: a container must not fail
 * because a log is full.
 * @param report says on stderr why stdout could not be written, and returns the exit status
 * @returns the status to end with, given the command's own
 */
export function watchOutput(report: (error: unknown) => number): (status: number) => number {
  let lost: number | undefined;
  const lose = (error: unknown) => {
    if (lost !== undefined || errnoOf(error) === 'EPIPE') return;
    lost = report(error);
    process.exitCode = lost;
  };
  process.stdout.on('error', lose);
  process.stderr.on('error', () => {});
  const file = isFile(1) ? writeAll(process.stdout) : undefined;
  return status => {
    if (file?.written) sync(lose);
    return lost ?? status;
  };
}

/**
 * Node takes a write(2) to a file for complete, but on a full disk it ends with the last byte that had room.
 */
function writeAll(stream: NodeJS.WriteStream): { written: boolean } {
  const state = { written: false };
  stream._write = (chunk: Buffer, _encoding, done) => {
    try {
      for (let at = 0; at < chunk.length; state.written = true) at += fs.writeSync(1, chunk, at);
      done();
    } catch (error) {
      done(error as Error);
    }
  };
  return state;
}

/** write(2) fills memory. Only fsync(2) tells that a thin or failing disk did not take it. */
function sync(lose: (error: unknown) => void): void {
  try {
    fs.fsyncSync(1);
  } catch (error) {
    if (!nothingToSync.has(errnoOf(error) ?? '')) lose(error);
  }
}

function isFile(fd: number): boolean {
  try {
    return fs.fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/** Print PARTS, some at a time: together they may be more than memory should hold. */
export function printAll(parts: Iterable<string>): void {
  let text = '';
  for (const part of parts) {
    text += part;
    if (text.length < 1 << 16) continue;
    process.stdout.write(text);
    text = '';
  }
  process.stdout.write(text);
}

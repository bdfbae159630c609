import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';

/** Errors of fsync(2) on a file that does not lie on a disk. */
const nothingToSync = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EROFS']);

/**
 * A command whose output is lost has failed. If the reader of a pipe has gone, it has read enough, and the
 * command goes on to its end. If stderr cannot be written, the exit status does not change: a container must
 * not fail because a log is full.
 * @param report prints to stderr why stdout could not be written, and returns the exit status
 * @returns a function from the command's own exit status to the one to end with
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
  const file = isFile(1) ? writeAll(process.stdout, lose) : undefined;
  return status => {
    if (file?.written) sync(lose);
    return lost ?? status;
  };
}

/**
 * Node takes one write(2) to a file for complete, but on a full disk that call writes only as many bytes as
 * have room. So we write until all bytes are written. The method itself is replaced, because Bun does not
 * call _write.
 */
function writeAll(stream: NodeJS.WriteStream, lose: (error: unknown) => void): { written: boolean } {
  const state = { written: false };
  stream.write = (text: string | Uint8Array) => {
    const chunk = Buffer.from(text as string);
    try {
      for (let at = 0; at < chunk.length; state.written = true) at += fs.writeSync(1, chunk, at);
    } catch (error) {
      lose(error);
    }
    return true;
  };
  return state;
}

/** write(2) only fills memory. fsync(2) reports that a thin or failing disk has not taken it. */
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

/** Prints PARTS in pieces, because all of them together may be more than memory should hold. */
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

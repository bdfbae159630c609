/** Decompresses a tar archive. The first bytes of the file, and not its name, tell how it is compressed. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import type { Readable, Transform } from 'node:stream';
import zlib from 'node:zlib';
import type { Compression } from '../../base/host/archive.js';

/** Source: RFC 1952, 2.3.1; RFC 8878, 3.1.1; RFC 8878, 3.1.2 (skippable frames) */
export function compressionOf(start: Buffer): Compression {
  if (start.length >= 2 && start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  if (start.length < 4) return 'none';
  const magic = start.readUInt32LE(0);
  return magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5 ? 'zstd' : 'none';
}

/** 128 MiB, which zstd itself takes as its limit. We refuse a frame that asks for more memory than this. */
const windowLog = 27;
const pieceBytes = 256 << 10;

/**
 * Gives the decompressed bytes in pieces. It never holds more of them than the decompressor's window.
 * @param fd is read from its start, and remains the caller's
 * @param onRead gets the number of bytes that were read from FD so far
 */
export async function* decompress(
  fd: number,
  compression: Compression,
  onRead: (bytes: bigint) => void,
): AsyncGenerator<Buffer> {
  const pieces = readPieces(fd, onRead);
  if (compression === 'none') yield* pieces;
  else if (compression === 'gzip') yield* through(zlib.createGunzip({ chunkSize: pieceBytes }), pieces);
  else yield* unzstd(pieces);
}

function* readPieces(fd: number, onRead: (bytes: bigint) => void): Generator<Buffer> {
  for (let at = 0; ; ) {
    // A new buffer each time, because a stream may still hold the one before.
    const piece = Buffer.allocUnsafe(pieceBytes);
    const got = fs.readSync(fd, piece, 0, pieceBytes, at);
    if (got === 0) return;
    at += got;
    onRead(BigInt(at));
    yield piece.subarray(0, got);
  }
}

/** Bun and Node.js from 22.15 on can decompress zstd. Node.js 20 cannot, so there we run the program zstd. */
function unzstd(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  const { createZstdDecompress: create, constants } = zlib as unknown as Zstd;
  if (!create) return throughZstd(pieces);
  const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
  return through(create({ params, chunkSize: pieceBytes }), pieces);
}

interface Zstd {
  createZstdDecompress?: (options: object) => Transform;
  constants: { ZSTD_d_windowLogMax: number };
}

async function* through(transform: Transform, pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  const feeding = feed(transform, pieces);
  try {
    for await (const piece of transform as AsyncIterable<Buffer>) yield piece;
    await feeding;
  } finally {
    transform.destroy();
  }
}

/**
 * Writes PIECES to the stream, no faster than its reader takes them. If PIECES throws, the reader gets the
 * error.
 */
async function feed(transform: NodeJS.WritableStream & { destroyed?: boolean }, pieces: Iterable<Buffer>) {
  try {
    for (const piece of pieces) {
      if (transform.destroyed) return;
      if (!transform.write(piece)) await drained(transform);
    }
    transform.end();
  } catch (error) {
    transform.emit('error', error);
  }
}

function drained(stream: NodeJS.WritableStream): Promise<void> {
  const events = ['drain', 'close', 'error'];
  return new Promise(resolve => {
    const goOn = () => {
      for (const event of events) stream.removeListener(event, goOn);
      resolve();
    };
    for (const event of events) stream.on(event, goOn);
  });
}

async function* throughZstd(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  const child = spawn('zstd', ['-d', '-c', '-q', `--memory=${1 << windowLog}`], { stdio: 'pipe' });
  const ended = endOf(child);
  // If the program ends early, our write to its stdin fails. The program's own message says why it ended.
  child.stdin.on('error', () => {});
  const feeding = feed(child.stdin, pieces);
  try {
    for await (const piece of child.stdout as Readable as AsyncIterable<Buffer>) yield piece;
    await feeding;
    const fault = await ended;
    if (fault !== undefined) throw new Error(fault);
  } finally {
    child.kill('SIGKILL');
  }
}

function endOf(child: ChildProcess): Promise<string | undefined> {
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    if (said.length < 1000) said += bytes.toString('utf8');
  });
  return new Promise(resolve => {
    child.on('error', () =>
      resolve('this Node.js cannot read zstd, and there is no program `zstd`: install it'),
    );
    child.on('close', code => resolve(code === 0 ? undefined : said.trim() || `zstd ended with ${code}`));
  });
}

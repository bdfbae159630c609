/** Reads a tar archive once from start to end. Nothing is unpacked, and no name in it is opened. */
import fs from 'node:fs';
import type { ReadEntry } from 'tar/read-entry';
import { GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { ArchiveReader, Archives, Compression, Member, MemberReader } from '../../base/host/archive.js';
import { openRegular } from '../files/open-regular.js';
import { crc32c } from '../native/call.js';
import { compressionOf, decompress } from './decompress.js';

/**
 * An archive may have this many members. We keep their names, to find two members with the same name. A
 * checkpoint has some hundred members besides its ghosts.
 */
const mostMembers = 200_000;
const longestName = 4096;
const mostNameBytes = 32 << 20;
/** A header of tar that says where the magic is. Source: tar(5), POSIX ustar archives; pax(1) */
const [headerBytes, magicAt, ustar] = [512, 257, 'ustar'];

export const archives: Archives = { open: openArchive, read: readArchive, crc32c };

/** Opens FILE where it is a regular file; undefined for a folder. The caller closes the descriptor. */
function openArchive(file: string): number | undefined {
  try {
    if (fs.statSync(file).isDirectory()) return undefined;
    return openRegular(fs.realpathSync(file), fs.constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw translate(error, 'IO', file, `cannot read ${file}`);
  }
}

/**
 * @returns how it was compressed
 * @throws ARCHIVE_INVALID also where it is cut short, or where two members have one name
 */
async function readArchive(file: string, fd: number, reader: ArchiveReader): Promise<Compression> {
  const start = Buffer.alloc(4);
  const compression = compressionOf(start.subarray(0, fs.readSync(fd, start, 0, 4, 0)));
  try {
    const members = new Members(reader);
    const { Parser } = await import('tar/parse');
    const parser = new Parser({ strict: true, zstd: false, onReadEntry: entry => members.begin(entry) });
    let sawEnd = false;
    parser.on('eof', () => {
      sawEnd = true;
    });
    parser.on('error', error => members.fail(error));
    parser.on('ignoredEntry', () => members.fail(new Error('it has a header of more than 1 MiB')));
    const head = new Head();
    for await (const piece of decompress(fd, compression, bytes => reader.read(bytes))) {
      for (const bytes of head.take(piece)) parser.write(bytes);
      members.assertGood();
    }
    head.assertSeen();
    const ended = new Promise<void>(resolve => parser.once('end', resolve));
    parser.end();
    members.assertGood();
    await ended;
    members.assertGood();
    if (!sawEnd) throw new Error('it is cut short: the mark at its end is missing');
    return compression;
  } catch (error) {
    if (error instanceof GhostkeepError) throw error;
    throw new GhostkeepError('ARCHIVE_INVALID', file, `cannot read ${file}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Holds back the first bytes of the archive until they show that it is a tar archive, and that it is not
 * compressed a second time.
 */
class Head {
  #kept: Buffer | undefined = Buffer.alloc(0);

  take(piece: Buffer): Buffer[] {
    if (!this.#kept) return [piece];
    this.#kept = Buffer.concat([this.#kept, piece]);
    if (this.#kept.length < headerBytes) return [];
    const kept = this.#kept;
    const isTar = kept.toString('latin1', magicAt, magicAt + ustar.length) === ustar;
    // If these bytes looked compressed, the parser would decompress them itself, without our bounds.
    if (!isTar || compressionOf(kept) !== 'none') throw notTar();
    this.#kept = undefined;
    return [kept];
  }

  assertSeen(): void {
    if (this.#kept) throw notTar();
  }
}

const notTar = () => new Error('it is no tar archive (plain, or compressed with gzip or zstd)');

/**
 * The members so far. The parser calls us from inside its own code, so we keep an error here until
 * assertGood() throws it.
 */
class Members {
  readonly #names = new Set<string>();
  #nameBytes = 0;
  #error: Error | undefined;

  constructor(readonly reader: ArchiveReader) {}

  fail(error: unknown): void {
    this.#error ??= error instanceof Error ? error : new Error(String(error));
  }

  assertGood(): void {
    if (this.#error) throw this.#error;
  }

  begin(entry: ReadEntry): void {
    const open = this.#guard(() => this.#open(entry));
    const expected = entry.size ?? 0;
    let got = 0;
    entry.on('data', bytes => {
      got += bytes.length;
      if (!this.#error) this.#guard(() => open?.bytes(bytes));
    });
    entry.on('end', () => {
      if (got !== expected) this.fail(new Error(`it ends inside its member ${JSON.stringify(entry.path)}`));
      if (!this.#error) this.#guard(() => open?.end());
    });
  }

  #open(entry: ReadEntry): MemberReader | undefined {
    const name = nameOf(entry.path);
    // This member is the top folder of the archive, `./`, which `tar -C DIR .` writes.
    if (name === '') return undefined;
    if (this.#names.has(name)) throw new Error(`it has two members ${JSON.stringify(name)}`);
    if (this.#names.size >= mostMembers) throw new Error(`it has more than ${mostMembers} members`);
    this.#names.add(name);
    this.#nameBytes += name.length;
    if (this.#nameBytes > mostNameBytes) throw new Error(`its names have more than ${mostNameBytes} bytes`);
    const member: Member = { name, bytes: BigInt(entry.size ?? 0), kind: kindOf(entry), mtime: entry.mtime };
    return this.reader.member(member);
  }

  #guard<T>(act: () => T): T | undefined {
    if (this.#error) return undefined;
    try {
      return act();
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }
}

/** @throws where the name leads out of the archive: nobody who makes a checkpoint writes such a name */
function nameOf(path: string): string {
  if (path.length > longestName) throw new Error(`a name in it has more than ${longestName} characters`);
  const parts = path.split('/').filter(part => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..'))
    throw new Error(`the name ${JSON.stringify(path)} leads out of it`);
  return parts.join('/');
}

function kindOf({ type }: ReadEntry): Member['kind'] {
  if (type === 'File' || type === 'OldFile' || type === 'ContiguousFile') return 'file';
  return type === 'Directory' ? 'folder' : 'other';
}

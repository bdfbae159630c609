/**
 * The ghosts that a receiver has: for each the content, and a table that says which block is known. A block
 * is unknown from before it is written until the disk has it. So a receiver that is killed, or whose disk
 * fails, never takes a block for the right one.
 */
import { errnoOf } from '../../base/errors.js';
import type { MovedFiles } from '../../base/host/host.js';
import { folder, makingName, movedKey, movedName, movedTableName } from '../../image/layout.js';
import { blockBytes } from '../../move/frames.js';
import type { Context } from '../context.js';
import type { Room } from './room.js';

/** The receiver acknowledges at least this often. */
const ackEveryBytes = 16n << 20n;
/** So many ghosts may be open at once before all are written to the disk. */
const mostOpen = 256;
/** From so many files on, one syncfs(2) is faster than an fsync(2) for each. */
const wholeFrom = 8;

interface OpenGhost extends MovedFiles {
  key: string;
  /** It is to be fsynced before it counts. An earlier connection may have left it so, and was cut. */
  isDirty: boolean;
  /** The table gets these entries when the content is on the disk. */
  pending: { first: bigint; entries: Buffer }[];
}

export class Ghosts {
  #current: OpenGhost | undefined;
  /** Complete, but not on the disk yet. */
  #ended: OpenGhost[] = [];
  #unsynced = 0n;
  /** An earlier connection may have made files, and was cut. */
  #isFolderDirty = true;
  /** Ghosts that this connection has fsynced, and that are as they were then. */
  readonly #synced = new Set<string>();

  constructor(
    private readonly context: Context,
    private readonly images: string,
    private readonly room: Room,
  ) {}

  /** True when it is time for `flush`. */
  get isAckDue(): boolean {
    return this.#unsynced >= ackEveryBytes || this.#ended.length >= mostOpen;
  }

  open(key: string, size: bigint): void {
    // The table lacks what is pending, and a repair may compare it.
    if (this.#ended.some(ghost => ghost.key === key)) this.flush();
    const ghost = this.#openFiles(key);
    this.#current = ghost;
    ghost.isDirty ||= this.context.host.files.stat(ghost.dataFd).size !== size;
    this.#store.resize(ghost, size);
  }

  write(offset: bigint, bytes: Buffer): void {
    const ghost = this.#open();
    ghost.isDirty = true;
    const { entries, fresh } = this.#store.write(ghost, offset, bytes);
    ghost.pending.push({ first: offset / blockBytes, entries });
    this.#unsynced += BigInt(bytes.length);
    this.room.take(BigInt(fresh) * blockBytes);
  }

  zero(offset: bigint, length: bigint): void {
    const ghost = this.#open();
    const freed = this.#store.zero(ghost, offset, length);
    if (freed > 0n) ghost.isDirty = true;
    this.room.give(freed * blockBytes);
  }

  /** Whether these blocks are known, and DIGEST is that of their entries. */
  isSame(offset: bigint, length: bigint, digest: Buffer): boolean {
    const count = Number((length + blockBytes - 1n) / blockBytes);
    return this.#store.digest(this.#open().tableFd, offset / blockBytes, count)?.equals(digest) ?? false;
  }

  end(): void {
    const ghost = this.#open();
    this.#current = undefined;
    if (ghost.isDirty) this.#ended.push(ghost);
    else this.#close(ghost);
  }

  /**
   * Writes the content that has arrived to the disk, and only then enters its blocks into the table. Until
   * then the table on the disk says `unknown` of these blocks. The new entries are not fsynced: if the host
   * crashes and they are lost, the table says `unknown` again, which is safe. @throws an errno error
   */
  flush(): void {
    const { files } = this.context.host;
    const dirty = [...this.#ended, ...(this.#current?.isDirty ? [this.#current] : [])];
    try {
      this.#sync(dirty);
    } catch (error) {
      this.#forget(dirty);
      throw error;
    }
    if (this.#isFolderDirty) files.syncFolder(`${this.images}/${folder}`);
    this.#isFolderDirty = false;
    for (const ghost of dirty) {
      for (const { first, entries } of ghost.pending) this.#store.putEntries(ghost.tableFd, first, entries);
      ghost.pending = [];
      ghost.isDirty = false;
      this.#synced.add(ghost.key);
    }
    for (const ghost of this.#ended) this.#close(ghost);
    this.#ended = [];
    this.#unsynced = 0n;
  }

  #sync(dirty: readonly OpenGhost[]): void {
    const [first] = dirty;
    if (first && dirty.length >= wholeFrom) this.#store.syncDisk(first.dataFd);
    else for (const { dataFd, tableFd } of dirty) for (const fd of [dataFd, tableFd]) this.#store.sync(fd);
  }

  /**
   * The disk has lost a part of these ghosts. It says so once, and memory may still show what was lost. So
   * nothing of them can be relied on.
   */
  #forget(lost: readonly OpenGhost[]): void {
    this.close();
    for (const { key } of lost) this.remove(key);
  }

  /** Remove the ghosts that the sender has no more. */
  keepOnly(keys: ReadonlySet<string>): void {
    const { files } = this.context.host;
    for (const name of files.list(`${this.images}/${folder}`)) {
      const key = movedKey(name);
      if (key !== undefined && !keys.has(key)) this.remove(key);
    }
  }

  /** The table goes first: nobody would notice that a table has lost its content. */
  remove(key: string): void {
    const { files } = this.context.host;
    for (const name of [movedTableName(key), movedName(key)]) {
      const path = `${this.images}/${name}`;
      if (name === movedName(key) && files.exists(path)) this.room.give(files.statPath(path).allocated);
      files.remove(path);
    }
  }

  close(): void {
    for (const ghost of [...this.#ended, ...(this.#current ? [this.#current] : [])]) this.#close(ghost);
    [this.#ended, this.#current] = [[], undefined];
  }

  get #store() {
    return this.context.host.moving.store;
  }

  #open(): OpenGhost {
    if (this.#current) return this.#current;
    throw new Error('no ghost is open');
  }

  #close({ dataFd, tableFd }: MovedFiles): void {
    for (const fd of [dataFd, tableFd]) this.context.host.files.close(fd);
  }

  #openFiles(key: string): OpenGhost {
    const { files } = this.context.host;
    const [data, table] = [movedName(key), movedTableName(key)].map(name => `${this.images}/${name}`) as [
      string,
      string,
    ];
    let dataFd = openIfThere(() => files.openWritable(data));
    if (dataFd === undefined) {
      files.remove(table);
      dataFd = files.create(data);
      this.#isFolderDirty = true;
    }
    try {
      const tableFd = openIfThere(() => files.openWritable(table)) ?? this.#makeTable(dataFd, table);
      return { key, dataFd, tableFd, isDirty: !this.#synced.has(key), pending: [] };
    } catch (error) {
      files.close(dataFd);
      throw error;
    }
  }

  /** A table gets its name when it is complete. */
  #makeTable(dataFd: number, table: string): number {
    const { files } = this.context.host;
    const making = `${this.images}/${makingName('table')}`;
    files.remove(making);
    const tableFd = files.create(making);
    try {
      this.#store.makeTable({ dataFd, tableFd });
      files.rename(making, table);
      return tableFd;
    } catch (error) {
      files.close(tableFd);
      throw error;
    }
  }
}

function openIfThere(open: () => number): number | undefined {
  try {
    return open();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

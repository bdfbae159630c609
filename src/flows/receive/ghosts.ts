/**
 * The ghosts that a receiver has. For each there is the content, and a table that says which blocks are
 * known. A block is unknown from before it is written until the disk has it. So a receiver that is killed, or
 * whose disk fails, never takes wrong bytes for the right ones.
 */
import { errnoOf } from '../../base/errors.js';
import type { MovedFiles, Patch } from '../../base/host/host.js';
import { folder, makingName, movedKey, movedName, movedTableName } from '../../image/layout.js';
import { blockBytes } from '../../move/frames.js';
import type { Context } from '../context.js';
import type { Room } from './room.js';

/** The receiver acknowledges at least this often. */
const ackEveryBytes = 16n << 20n;
/**
 * A block of a patch counts for so much, whatever its pages have: the sender counts it as a block that waits
 * for its acknowledgement, and may have 4,096 of them.
 */
const patchedBlockBytes = blockBytes / 2n;
/** If so many ghosts wait for the disk, they are written to it and closed. */
const mostOpen = 256;
/** From so many files on, one syncfs(2) is faster than an fsync(2) for each. */
const wholeFrom = 8;

interface OpenGhost extends MovedFiles {
  key: string;
  /**
   * The content must be fsynced before it counts. This also holds for content that an earlier connection has
   * left, because the connection may have been cut before its fsync.
   */
  isDirty: boolean;
  /** Entries that the table gets when the content is on the disk. */
  pending: { first: bigint; entries: Buffer }[];
}

export class Ghosts {
  #current: OpenGhost | undefined;
  /** Ghosts that have arrived completely and are not on the disk yet. */
  #ended: OpenGhost[] = [];
  #unsynced = 0n;
  /**
   * The folder has names that the disk may lack. It begins as true, because an earlier connection that was
   * cut may have made files.
   */
  #isFolderDirty = true;
  /** Keys of ghosts that this connection has fsynced. On opening one again, its files are on the disk. */
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
    // The sender may repair this ghost now, and its table still lacks the pending entries, so they are
    // written first.
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

  /**
   * Writes the changed pages of a range. @returns true if the whole range then is what the sender has. If
   * not, the blocks that were changed stay unknown.
   */
  patch(patch: Patch): boolean {
    const ghost = this.#open();
    ghost.isDirty = true;
    const { entries, fresh, touched } = this.#store.patch(ghost, patch);
    if (entries) ghost.pending.push({ first: patch.offset / blockBytes, entries });
    // The entries of the whole range are in memory until the next acknowledgement.
    this.#unsynced += BigInt(touched) * patchedBlockBytes + BigInt(entries?.length ?? 0);
    this.room.take(BigInt(fresh) * blockBytes);
    return entries !== undefined;
  }

  zero(offset: bigint, length: bigint): void {
    const ghost = this.#open();
    const freed = this.#store.zero(ghost, offset, length);
    if (freed > 0n) ghost.isDirty = true;
    this.room.give(freed * blockBytes);
  }

  /** True if all these blocks are known, and DIGEST is the digest of their entries in the table. */
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
   * Removes these ghosts, because the disk has failed to write some of them. It reports that only once, and
   * the page cache may still show what was lost, so nothing of them can be relied on.
   */
  #forget(lost: readonly OpenGhost[]): void {
    this.close();
    for (const { key } of lost) this.remove(key);
  }

  /** Removes all ghosts but those with KEYS: the sender does not have them any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    const { files } = this.context.host;
    for (const name of files.list(`${this.images}/${folder}`)) {
      const key = movedKey(name);
      if (key !== undefined && !keys.has(key)) this.remove(key);
    }
  }

  /** Removes a ghost. Its table goes first, because nobody would notice that a table has lost its content. */
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

  /** Makes a table from the content. The table gets its name when it is complete. */
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

/** Files of ours in memory, and a count of the calls that change something, to fail at the n-th of them. */
import type { Bound } from '../../src/base/bounds.js';
import { GhostkeepError } from '../../src/base/errors.js';
import type { FileStat, Files, MakeableFolder } from '../../src/base/host/host.js';
import { errno, type FakeFile, fakeFile } from './fake-processes.js';

/**
 * Stands for the end of the process, which is no failure of the host: nothing runs after it, no clean-up
 * either.
 */
export class Interrupted extends Error {}

export class MemoryFiles implements Files {
  readonly contents = new Map<string, FakeFile>();
  readonly folders = new Set<string>(['/']);
  readonly open_ = new Map<number, FakeFile>();
  free: bigint | undefined = 1n << 40n;
  /** statfs f_type: a tmpfs */
  magic = 0x01021994n;
  /** Files whose data the disk has lost. As by fsync(2), the loss of each file is reported once. */
  readonly lostWrites = new Set<string>();
  /** The n-th change from now on is interrupted, before it happens. */
  interruptAt = Number.POSITIVE_INFINITY;
  changes = 0;
  #nextFd = 1000;
  #inventories = 0;

  /** Everything there is, for comparing. */
  snapshot(): Record<string, string> {
    return Object.fromEntries(
      [...this.contents].sort().map(([path, { content }]) => [path, content.toString('hex')]),
    );
  }

  put(path: string, content: Buffer | string): void {
    this.#set(path, content);
    // Where a test puts CRIU's files, CRIU has finished: it writes the inventory last, and no two are alike.
    if (path.endsWith('/files.img'))
      this.#set(path.replace(/files\.img$/, 'inventory.img'), `inventory ${++this.#inventories}`);
  }

  #set(path: string, content: Buffer | string): void {
    this.contents.set(path, fakeFile({ content: Buffer.from(content as string), nlink: 1, uid: 0 }));
  }

  get(path: string): Buffer {
    return this.#find(path).content;
  }

  openContent(file: FakeFile): number {
    this.open_.set(this.#nextFd, file);
    return this.#nextFd++;
  }

  #change(): void {
    this.changes += 1;
    if (this.changes === this.interruptAt) throw new Interrupted(`at change ${this.changes}`);
  }

  #find(path: string): FakeFile {
    const file = this.contents.get(this.#real(path));
    if (!file) throw errno('ENOENT', path);
    return file;
  }

  read(path: string, { bytes, code }: Bound): Buffer {
    const { content } = this.#find(path);
    if (content.length > bytes) throw new GhostkeepError(code, path, `cannot read ${path}: it is too large`);
    return content;
  }
  readStart = (path: string, bytes: number) => this.#find(path).content.subarray(0, bytes);
  readIfThere = (path: string, bound: Bound) =>
    this.contents.has(path) ? this.read(path, bound) : undefined;
  exists = (path: string) => this.contents.has(this.#real(path)) || this.#isFolder(path);
  #isFolder(path: string): boolean {
    return (
      this.folders.has(path) ||
      [...this.folders, ...this.contents.keys()].some(name => name.startsWith(`${path}/`))
    );
  }
  list(asked: string): string[] {
    const path = this.#real(asked);
    const names = [...this.contents.keys(), ...this.folders].filter(name => name.startsWith(`${path}/`));
    if (names.length === 0 && !this.folders.has(path)) throw errno('ENOENT', path);
    return [...new Set(names.map(name => name.slice(path.length + 1).split('/')[0] as string))];
  }
  makeDirectory(path: string): void {
    this.#change();
    this.folders.add(path);
  }
  /** Paths below /proc/self/fd/N are those of the folder. */
  openFolder(path: string): number {
    if (!this.folders.has(path)) this.makeDirectory(path);
    const fd = this.openContent({ ...fakeFile(), stat: this.statPath(path) });
    this.folders.add(`/proc/self/fd/${fd}`);
    this.#held.set(`/proc/self/fd/${fd}`, path);
    return fd;
  }
  #held = new Map<string, string>();
  /** The path that a path through a held folder leads to. */
  #real(path: string): string {
    const [, held, rest] = /^(\/proc\/self\/fd\/\d+)(\/.*)?$/.exec(path) ?? [];
    const folder = this.#held.get(held ?? '');
    return folder === undefined ? path : folder + (rest ?? '');
  }
  create(asked: string): number {
    this.#change();
    const path = this.#real(asked);
    if (this.contents.has(path)) throw errno('EEXIST', path);
    this.#set(path, '');
    return this.open(path);
  }
  open = (path: string) => this.openContent(this.#find(path));
  openWritable = (path: string) => this.open(path);
  close(fd: number): void {
    if (!this.open_.delete(fd)) throw errno('EBADF', `close ${fd}`);
    for (const [folder, lock] of this.lockedFolders) if (lock === fd) this.lockedFolders.delete(folder);
  }
  stat = (fd: number): FileStat => sized(this.open_.get(fd) as FakeFile);
  statPath(path: string): FileStat {
    const isFolder = !this.contents.has(this.#real(path)) && this.#isFolder(path.replace(/\/\.$/, ''));
    return isFolder ? { ...fakeFile().stat, mode: 0o40700, nlink: 2 } : sized(this.#find(path));
  }
  replace(path: string, bytes: Uint8Array): void {
    this.#change();
    this.#set(path, Buffer.from(bytes));
  }
  matchOwner(): void {}
  refused: string[] = [];
  takeRefused = () => this.refused.splice(0);

  /** Locked folders, with our descriptor where the lock is ours. */
  readonly lockedFolders = new Map<string, number>();
  /** The process that the kernel names as the holder of each lock. */
  readonly lockHolders = new Map<string, number>();
  lockHolder = (folder: string) => this.lockHolders.get(folder);
  lock(folder: string): { fd: number; path: string } | undefined {
    if (!this.exists(folder) && ![...this.contents.keys()].some(path => path.startsWith(`${folder}/`)))
      throw errno('ENOENT', folder);
    if (this.lockedFolders.has(folder)) return undefined;
    const fd = this.openContent(fakeFile());
    this.lockedFolders.set(folder, fd);
    return { fd, path: folder };
  }

  holding = <T>(_folder: string, work: () => T): T => work();

  rename(from: string, to: string): void {
    this.#change();
    this.contents.set(this.#real(to), this.#find(from));
    this.contents.delete(this.#real(from));
  }
  renameMany(files: readonly (readonly [string, string])[]): number {
    let done = 0;
    try {
      for (const [from, to] of files) {
        this.rename(from, to);
        done += 1;
      }
    } catch {
      // The caller renames this file itself and meets the error.
    }
    return done;
  }

  renameNew(from: string, to: string): void {
    if (this.exists(to)) throw errno('EEXIST', to);
    this.rename(from, to);
  }
  /** Paths of files that another process has locked. */
  readonly locked = new Set<string>();
  tryLock(fd: number): boolean {
    return ![...this.locked].some(path => this.contents.get(path) === this.open_.get(fd));
  }
  empty = () => this.#change();
  flush = async (fd: number) => this.settle(fd);
  remove(path: string): void {
    this.#change();
    this.contents.delete(this.#real(path));
  }
  removeTree(path: string): void {
    // Removes one file after the other, as on a disk: the process may end between any two of them.
    for (const name of [...this.contents.keys()].filter(at => at === path || at.startsWith(`${path}/`)))
      this.remove(name);
    if (!this.folders.has(path)) return;
    this.#change();
    this.folders.delete(path);
  }
  removeEmpty(path: string): boolean {
    if ([...this.contents.keys(), ...this.folders].some(at => at.startsWith(`${path}/`))) return false;
    if (!this.folders.has(path)) return false;
    this.#change();
    return this.folders.delete(path);
  }
  sync(path: string): void {
    if (!this.exists(path)) throw errno('ENOENT', path);
    if (this.lostWrites.delete(path)) throw errno('EIO', path);
  }
  syncFolder(): void {}
  settle(fd: number): void {
    const file = this.open_.get(fd);
    for (const [path, other] of this.contents) if (other === file) this.sync(path);
  }
  /** Folders that makeNames may make. */
  readonly madeFolders: string[] = [];
  async makeNames(
    folder: string,
    names: readonly Buffer[],
    check: (magic: bigint) => void,
    write: (fd: number) => Promise<void>,
    makeable: readonly MakeableFolder[] = [],
  ) {
    for (const { name } of makeable) this.madeFolders.push(`${folder}/${name.toString('latin1')}`);
    const paths = names.map(name => `${folder}/${name.toString('latin1')}`);
    const missing = paths.filter(path => !this.contents.has(path));
    if (missing.length === 0) return 'nothing';
    check(this.magic);
    const old = paths.find(path => this.contents.has(path));
    const file = old === undefined ? fakeFile({ content: Buffer.alloc(0) }) : this.#find(old);
    if (old === undefined) await write(this.openContent(file));
    for (const path of missing) this.contents.set(path, file);
    return old === undefined ? 'file' : 'links';
  }
  statOn: Files['statOn'] = ({ mountPoint }, name) => {
    const path = `${mountPoint.toString('latin1')}/${name.toString('latin1')}`;
    return this.contents.get(path)?.stat;
  };
  freeBytes = () => this.free;
  setOwner: Files['setOwner'] = () => {};
  setMode: Files['setMode'] = () => {};
  setNewMode: Files['setNewMode'] = () => {};
  realPath = (path: string) => path;
}

function sized({ stat, content }: FakeFile): FileStat {
  return { ...stat, size: BigInt(content.length) };
}

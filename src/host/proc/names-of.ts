/**
 * Names of an inode below a folder that somebody else controls: every step goes through openat2 with RESOLVE_IN_ROOT,
 * and entries are looked at through a descriptor of their folder, so that no symbolic link leads outside.
 */
import fs from 'node:fs';
import type { FileStat, Identity, Mount } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { pathOnly } from '../files/open-regular.js';
import { openInRoot } from '../native/call.js';
import { randomHex } from '../native/random.js';
import { toFileStat } from '../native/stat.js';

const slash = Buffer.from('/');

type Inode = Identity & { nlink: number };

/** @param root a folder in which mountPoint and near are absolute. See ProcessView.namesOf. */
export function namesOf(
  root: string,
  mountPoint: Buffer,
  inode: Inode,
  near: Buffer,
  limit: number,
): { names: Buffer[]; complete: boolean; looked: number } {
  const rootFd = fs.openSync(root, fs.constants.O_RDONLY);
  try {
    const mount = mountOf(rootFd, mountPoint);
    if (mount === undefined) return { names: [], complete: false, looked: 0 };
    const search = new NameSearch(rootFd, mount, inode, limit);
    search.folder(near.subarray(0, Math.max(1, near.lastIndexOf('/'))), false);
    search.folder(mountPoint, true);
    return { names: search.names, complete: search.isComplete(), looked: search.looked };
  } finally {
    fs.closeSync(rootFd);
  }
}

class NameSearch {
  readonly names: Buffer[] = [];
  looked = 0;

  constructor(
    private readonly rootFd: number,
    private readonly mount: string,
    private readonly inode: Inode,
    private readonly limit: number,
  ) {}

  /** Finding as many names as the inode has links ends the search early. */
  isComplete(): boolean {
    return this.looked < this.limit || this.names.length >= this.inode.nlink;
  }

  folder(path: Buffer, deep: boolean): void {
    const waiting = [path];
    for (let next = waiting.shift(); next && this.#goesOn(); next = waiting.shift()) {
      for (const child of this.#look(next)) if (deep) waiting.push(child);
    }
  }

  #goesOn(): boolean {
    return this.looked < this.limit && this.names.length < this.inode.nlink;
  }

  /**
   * A mount inside is not touched, not even by a stat: a FUSE server may be frozen, and a bind mount of the same file
   * system shows names that are not of this mount. Its id is known from the descriptor alone.
   * @returns the folders inside
   */
  #look(path: Buffer): Buffer[] {
    const folders: Buffer[] = [];
    const fd = openInRoot(this.rootFd, path);
    if (fd === undefined) return folders;
    try {
      const self = `/proc/self/fd/${fd}`;
      if (mountId(fd) !== this.mount || !fs.fstatSync(fd).isDirectory()) return folders;
      for (const entry of fs.readdirSync(self, { encoding: 'buffer', withFileTypes: true })) {
        if (!this.#goesOn()) break;
        this.looked += 1;
        const full = joinPath(path, entry.name);
        if (entry.isDirectory()) folders.push(full);
        else if (entry.isFile() && this.#isNameOf(Buffer.concat([Buffer.from(`${self}/`), entry.name]), full))
          this.names.push(full);
      }
    } finally {
      fs.closeSync(fd);
    }
    return folders;
  }

  #isNameOf(place: Buffer, full: Buffer): boolean {
    const stat = fs.lstatSync(place, { bigint: true, throwIfNoEntry: false });
    if (!stat || !isSameInode(stat, this.inode)) return false;
    return !this.names.some(known => known.equals(full));
  }
}

function mountOf(rootFd: number, path: Buffer): string | undefined {
  const fd = openInRoot(rootFd, path);
  if (fd === undefined) return undefined;
  try {
    return mountId(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Source: proc_pid_fdinfo(5). */
function mountId(fd: number): string | undefined {
  return /^mnt_id:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
}

/** See Files.statOn. */
export function statOn(mount: Mount, name: Buffer): FileStat | undefined {
  const rootFd = fs.openSync(mount.mountPoint, pathOnly);
  try {
    if (name.length === 0 && mountId(rootFd) === String(mount.id))
      return toFileStat(fs.fstatSync(rootFd, { bigint: true }));
    // What is there of the path must be of this mount: a mount on the way hides the rest.
    for (let path = name; ; path = path.subarray(0, Math.max(0, path.lastIndexOf('/')))) {
      const fd = openInRoot(rootFd, Buffer.concat([slash, path]));
      if (fd === undefined && path.length > 0) continue;
      if (fd === undefined) return undefined;
      try {
        if (mountId(fd) !== String(mount.id))
          throw Object.assign(new Error('another mount'), { code: 'EXDEV' });
        return path.length === name.length ? toFileStat(fs.fstatSync(fd, { bigint: true })) : undefined;
      } finally {
        fs.closeSync(fd);
      }
    }
  } finally {
    fs.closeSync(rootFd);
  }
}

/** See Files.makeNames. */
export async function makeNames(
  folder: string,
  names: readonly Buffer[],
  check: (magic: bigint) => void,
  write: (fd: number) => Promise<void>,
): Promise<'nothing' | 'links' | 'file'> {
  const rootFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const folders = new Folders(rootFd, check);
  try {
    const there = names.find(name => exists(rootFd, name));
    const missing = names.filter(name => !exists(rootFd, name));
    if (missing.length === 0) return 'nothing';
    const places = missing.map(name => folders.placeOf(name));
    if (there) {
      linkAll(folders.placeOf(there), places);
      return 'links';
    }
    const temporary = folders.placeOf(Buffer.from(`.ghostkeep-${randomHex(6)}`));
    const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = fs.constants;
    const fd = fs.openSync(temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      await write(fd);
      linkAll(temporary, places);
    } finally {
      fs.closeSync(fd);
      fs.rmSync(temporary, { force: true });
    }
    return 'file';
  } finally {
    folders.close();
    fs.closeSync(rootFd);
  }
}

/** All of them or none. */
function linkAll(file: Buffer, places: readonly Buffer[]): void {
  const made: Buffer[] = [];
  try {
    for (const place of places) {
      fs.linkSync(file, place);
      made.push(place);
    }
  } catch (error) {
    for (const place of made) fs.rmSync(place, { force: true });
    throw error;
  }
}

function exists(rootFd: number, name: Buffer): boolean {
  const fd = openInRoot(rootFd, name);
  if (fd !== undefined) fs.closeSync(fd);
  return fd !== undefined;
}

/** Folders resolved inside the root, held: who swaps one for a link meanwhile does not move what is made there. */
class Folders {
  readonly #fds = new Map<string, number>();

  constructor(
    private readonly rootFd: number,
    private readonly check: (magic: bigint) => void,
  ) {}

  /** A path to NAME through the descriptor of its folder, which check has let pass. @throws ENOENT when it is not there */
  placeOf(name: Buffer): Buffer {
    const at = name.lastIndexOf('/');
    const fd = this.#open(name.subarray(0, Math.max(0, at)));
    return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name.subarray(at + 1)]);
  }

  #open(folder: Buffer): number {
    const key = folder.toString('latin1');
    const held = this.#fds.get(key);
    if (held !== undefined) return held;
    // With a dot at its end a link is followed, inside the root; without, we would hold the link itself.
    const fd = openInRoot(this.rootFd, Buffer.concat([folder, Buffer.from('/.')]));
    if (fd === undefined)
      throw Object.assign(new Error(`the folder ${folder.toString('utf8')} is gone`), { code: 'ENOENT' });
    this.#fds.set(key, fd);
    this.check(fs.statfsSync(`/proc/self/fd/${fd}`, { bigint: true }).type);
    return fd;
  }

  close(): void {
    for (const fd of this.#fds.values()) fs.closeSync(fd);
  }
}

function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.at(-1) === 0x2f ? Buffer.concat([folder, name]) : Buffer.concat([folder, slash, name]);
}

/**
 * Names of an inode below a folder that somebody else controls: every step goes through openat2 with RESOLVE_IN_ROOT,
 * and entries are looked at through a descriptor of their folder, so that no symbolic link leads outside.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { openInRoot } from './native.js';

const slash = Buffer.from('/');

interface Inode {
  dev: bigint;
  ino: bigint;
  nlink: number;
}

/** @param root a folder in which mountPoint and near are absolute. See ProcessView.namesOf. */
export function namesOf(
  root: string,
  mountPoint: Buffer,
  inode: Inode,
  near: Buffer,
  limit: number,
): { names: Buffer[]; complete: boolean } {
  const rootFd = fs.openSync(root, fs.constants.O_RDONLY);
  const search = new NameSearch(rootFd, inode, limit);
  try {
    search.folder(near.subarray(0, Math.max(1, near.lastIndexOf('/'))), false);
    search.folder(mountPoint, true);
    return { names: search.names, complete: search.isComplete() };
  } finally {
    fs.closeSync(rootFd);
  }
}

class NameSearch {
  readonly names: Buffer[] = [];
  #looked = 0;

  constructor(
    private readonly rootFd: number,
    private readonly inode: Inode,
    private readonly limit: number,
  ) {}

  /** Finding as many names as the inode has links ends the search early. */
  isComplete(): boolean {
    return this.#looked < this.limit || this.names.length >= this.inode.nlink;
  }

  folder(path: Buffer, deep: boolean): void {
    const waiting = [path];
    for (let next = waiting.shift(); next && this.#goesOn(); next = waiting.shift()) {
      for (const child of this.#look(next)) if (deep) waiting.push(child);
    }
  }

  #goesOn(): boolean {
    return this.#looked < this.limit && this.names.length < this.inode.nlink;
  }

  /** @returns the folders inside, of the same file system */
  #look(path: Buffer): Buffer[] {
    const folders: Buffer[] = [];
    const fd = openInRoot(this.rootFd, path);
    if (fd === undefined) return folders;
    try {
      const self = `/proc/self/fd/${fd}`;
      if (!fs.fstatSync(fd).isDirectory()) return folders;
      for (const name of fs.readdirSync(self, { encoding: 'buffer' })) {
        if (!this.#goesOn()) break;
        this.#looked += 1;
        const stat = fs.lstatSync(Buffer.concat([Buffer.from(`${self}/`), name]), {
          bigint: true,
          throwIfNoEntry: false,
        });
        if (!stat || stat.dev !== this.inode.dev) continue;
        const full = joinPath(path, name);
        if (stat.isDirectory()) folders.push(full);
        else if (stat.ino === this.inode.ino && !this.names.some(known => known.equals(full)))
          this.names.push(full);
      }
    } finally {
      fs.closeSync(fd);
    }
    return folders;
  }
}

/** See Files.makeNames. */
export async function makeNames(
  folder: string,
  names: readonly Buffer[],
  write: (fd: number) => Promise<void>,
): Promise<'nothing' | 'links' | 'file'> {
  const rootFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const temporary = `/proc/self/fd/${rootFd}/.ghostkeep-${randomBytes(6).toString('hex')}`;
  try {
    const there = names.find(name => exists(rootFd, name));
    const missing = names.filter(name => !exists(rootFd, name));
    if (missing.length === 0) return 'nothing';
    if (there) {
      for (const name of missing) fs.linkSync(placeOf(rootFd, there), placeOf(rootFd, name));
      return 'links';
    }
    const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = fs.constants;
    const fd = fs.openSync(temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      await write(fd);
      for (const name of missing) fs.linkSync(temporary, placeOf(rootFd, name));
    } finally {
      fs.closeSync(fd);
      fs.rmSync(temporary, { force: true });
    }
    return 'file';
  } finally {
    fs.closeSync(rootFd);
  }
}

function exists(rootFd: number, name: Buffer): boolean {
  const fd = openInRoot(rootFd, name);
  if (fd !== undefined) fs.closeSync(fd);
  return fd !== undefined;
}

/** A path to NAME whose folder was resolved inside the root. @throws ENOENT when that folder is not there */
function placeOf(rootFd: number, name: Buffer): Buffer {
  const at = name.lastIndexOf('/');
  if (at < 0) return Buffer.concat([Buffer.from(`/proc/self/fd/${rootFd}/`), name]);
  const fd = openInRoot(rootFd, name.subarray(0, at));
  if (fd === undefined)
    throw Object.assign(new Error(`the folder of ${name.toString('utf8')} is gone`), { code: 'ENOENT' });
  try {
    // Resolved inside the root: its real path has no link left in it.
    return Buffer.concat([
      fs.readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }),
      slash,
      name.subarray(at + 1),
    ]);
  } finally {
    fs.closeSync(fd);
  }
}

function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.at(-1) === 0x2f ? Buffer.concat([folder, name]) : Buffer.concat([folder, slash, name]);
}

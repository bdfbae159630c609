/**
 * Finds names of an inode below a folder that somebody else controls. Every step goes through openat2(2) with
 * RESOLVE_IN_ROOT, and entries are looked at through a descriptor of their folder, so that no symbolic link
 * leads outside.
 */

import fs from 'node:fs';
import type { Identity } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { mountId } from '../files/stat-on.js';
import { openInRoot } from '../native/call.js';

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
    search.folder(near.subarray(0, Math.max(1, near.lastIndexOf('/'))));
    search.folder(mountPoint, { deep: true });
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

  /** True where the whole mount was searched, or where as many names were found as the inode has links. */
  isComplete(): boolean {
    return this.looked < this.limit || this.names.length >= this.inode.nlink;
  }

  folder(path: Buffer, { deep } = { deep: false }): void {
    const waiting = [path];
    for (let next = waiting.shift(); next && this.#goesOn(); next = waiting.shift()) {
      for (const child of this.#look(next)) if (deep) waiting.push(child);
    }
  }

  #goesOn(): boolean {
    return this.looked < this.limit && this.names.length < this.inode.nlink;
  }

  /**
   * The search touches no other mount inside, not even by a stat: its FUSE server may be frozen, and a bind
   * mount of the same file system shows names that are not on this mount. The descriptor alone tells the
   * mount's id.
   * @returns the folders inside
   */
  #look(path: Buffer): Buffer[] {
    const folders: Buffer[] = [];
    const fd = openInRoot(this.rootFd, path);
    if (fd === undefined) return folders;
    try {
      const self = `/proc/self/fd/${fd}`;
      if (mountId(fd) !== this.mount || !fs.fstatSync(fd).isDirectory()) return folders;
      // Bun gives no types with names as buffers. In latin1, each byte of a name is one character.
      for (const entry of fs.readdirSync(self, { encoding: 'latin1', withFileTypes: true })) {
        if (!this.#goesOn()) break;
        this.looked += 1;
        const name = Buffer.from(entry.name, 'latin1');
        const full = joinPath(path, name);
        if (entry.isDirectory()) folders.push(full);
        else if (entry.isFile() && this.#isNameOf(Buffer.concat([Buffer.from(`${self}/`), name]), full))
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

function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.at(-1) === 0x2f ? Buffer.concat([folder, name]) : Buffer.concat([folder, slash, name]);
}

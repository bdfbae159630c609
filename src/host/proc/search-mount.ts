/**
 * Searches mounts that somebody else controls. Every step goes through openat2(2) with RESOLVE_IN_ROOT, and
 * entries are looked at through a descriptor of their folder, so that no symbolic link leads outside.
 */

import fs from 'node:fs';
import { isDirectory, isRegular } from '../../base/host/file-type.js';
import type { FileStat, Identity } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { entriesOf, type FolderEntry } from '../engine/read-folder.js';
import { mountId } from '../files/stat-on.js';
import { openInRoot } from '../native/call.js';
import { statEntry, toFileStat } from '../native/stat.js';

const slash = Buffer.from('/');

type Inode = Identity & { nlink: number };

/** Gets what is in folders, by paths below the root. */
interface Visitor {
  /** Gets an entry that is no folder. @param stat gives undefined where it is gone, or hidden by a mount */
  entry(path: Buffer, isFile: boolean, stat: () => FileStat | undefined): void;
  folder?(path: Buffer, stat: FileStat): void;
  isEnough?(): boolean;
}

/**
 * Finds names of an inode.
 * @param root a folder in which mountPoint and near are absolute. See ProcessView.namesOf.
 */
export function namesOf(
  root: string,
  mountPoint: Buffer,
  inode: Inode,
  near: Buffer,
  limit: number,
): { names: Buffer[]; complete: boolean; looked: number } {
  const names: Buffer[] = [];
  const search = MountSearch.begin(root, mountPoint, limit);
  if (search === undefined) return { names, complete: false, looked: 0 };
  const isEnough = () => names.length >= inode.nlink;
  const entry: Visitor['entry'] = (path, isFile, stat) => {
    const found = isFile ? stat() : undefined;
    if (found && isSameInode(found, inode) && !names.some(known => known.equals(path))) names.push(path);
  };
  try {
    search.folder(near.subarray(0, Math.max(1, near.lastIndexOf('/'))), { deep: false }, { entry, isEnough });
    search.folder(mountPoint, { deep: true }, { entry, isEnough });
    return { names, complete: search.looked < limit || isEnough(), looked: search.looked };
  } finally {
    search.end();
  }
}

/** See ProcessView.filesIn. */
export function filesIn(
  root: string,
  folder: Buffer,
  limit: number,
): { files: { path: Buffer; stat: FileStat }[]; complete: boolean } {
  const search = MountSearch.begin(root, folder, limit);
  if (search === undefined) return { files: [], complete: false };
  const files: { path: Buffer; stat: FileStat }[] = [];
  try {
    search.folder(
      folder,
      { deep: true },
      {
        entry: (path, _, look) => {
          const stat = look();
          if (stat) files.push({ path, stat });
        },
        folder: (path, stat) => void files.push({ path, stat }),
      },
    );
    return { files, complete: search.looked < limit };
  } finally {
    search.end();
  }
}

class MountSearch {
  looked = 0;

  private constructor(
    private readonly rootFd: number,
    private readonly mount: string | undefined,
    private readonly limit: number,
  ) {}

  /** @returns undefined where there is no such folder. Otherwise the caller has to call end() */
  static begin(root: string, folder: Buffer, limit: number): MountSearch | undefined {
    const rootFd = fs.openSync(root, fs.constants.O_RDONLY);
    let search: MountSearch | undefined;
    try {
      const fd = openInRoot(rootFd, folder);
      if (fd === undefined) return undefined;
      try {
        search = new MountSearch(rootFd, mountId(fd), limit);
      } finally {
        fs.closeSync(fd);
      }
      return search;
    } finally {
      if (!search) fs.closeSync(rootFd);
    }
  }

  end(): void {
    fs.closeSync(this.rootFd);
  }

  folder(path: Buffer, { deep }: { deep: boolean }, visitor: Visitor): void {
    const waiting = [path];
    for (let next = waiting.shift(); next && this.#goesOn(visitor); next = waiting.shift()) {
      for (const child of this.#look(next, visitor)) if (deep) waiting.push(child);
    }
  }

  #goesOn({ isEnough }: Visitor): boolean {
    return this.looked < this.limit && !isEnough?.();
  }

  /**
   * The search touches no other mount inside, not even by a stat: its FUSE server may be frozen, and a bind
   * mount of the same file system shows names that are not on this mount. The descriptor alone tells the
   * mount's id.
   * @returns the folders inside
   */
  #look(path: Buffer, visitor: Visitor): Buffer[] {
    const folders: Buffer[] = [];
    const fd = openInRoot(this.rootFd, path);
    if (fd === undefined) return folders;
    try {
      const self = `/proc/self/fd/${fd}`;
      if (mountId(fd) !== this.mount) return folders;
      const stat = fs.fstatSync(fd, { bigint: true });
      if (!stat.isDirectory()) return folders;
      visitor.folder?.(path, toFileStat(stat));
      const readable = fs.openSync(self, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      try {
        for (const { name, kind } of entriesOf(readable)) {
          if (!this.#goesOn(visitor)) break;
          this.looked += 1;
          const full = joinPath(path, name);
          const type = kind ?? kindOf(statEntry(fd, name));
          if (type === 'folder') folders.push(full);
          else visitor.entry(full, type === 'file', () => this.#statHere(fd, name));
        }
      } finally {
        fs.closeSync(readable);
      }
    } finally {
      fs.closeSync(fd);
    }
    return folders;
  }

  /** A mount may lie on a file, too. Before Linux 5.8 the kernel does not say on which mount a file is. */
  #statHere(folderFd: number, name: Buffer): FileStat | undefined {
    const stat = statEntry(folderFd, name);
    return !stat?.mountId || String(stat.mountId) === this.mount ? stat : undefined;
  }
}

function kindOf(stat: FileStat | undefined): FolderEntry['kind'] {
  if (stat && isDirectory(stat.mode)) return 'folder';
  return stat && isRegular(stat.mode) ? 'file' : 'other';
}

function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.at(-1) === 0x2f ? Buffer.concat([folder, name]) : Buffer.concat([folder, slash, name]);
}

import type { FileStat, Identity } from '../base/host.js';
import { isSameInode } from '../base/identity.js';

export interface OpenFile {
  pid: number;
  link: string;
}

/** 10:229. Source: Documentation/admin-guide/devices.txt */
const devFuse = 0x0ae5n;

/**
 * Every file that is open anywhere in the search, by inode number. CRIU's external key has no device in it: on
 * overlayfs and btrfs two files of one mount can share the number, and only this shows it.
 */
export class OpenFiles {
  /** Someone among the searched processes holds /dev/fuse: reading from a FUSE mount may wait for a frozen process. */
  servesFuse = false;
  readonly #byIno = new Map<bigint, { stat: Identity; opened: OpenFile[] }[]>();

  add(pid: number, link: string, stat: FileStat): void {
    if (stat.rdev === devFuse) this.servesFuse = true;
    const files = this.#byIno.get(stat.ino) ?? [];
    this.#byIno.set(stat.ino, files);
    // All holders of each: the same file may be open through several mounts.
    const known = files.find(file => isSameInode(file.stat, stat));
    if (known) known.opened.push({ pid, link });
    else files.push({ stat, opened: [{ pid, link }] });
  }

  /** Other files with this inode number: on another device, or of another birth. */
  namesakes(stat: Identity): OpenFile[] {
    const files = this.#byIno.get(stat.ino) ?? [];
    return files.filter(file => !isSameInode(file.stat, stat)).flatMap(({ opened }) => opened);
  }
}

import type { FileStat } from '../base/host.js';

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
  readonly #byIno = new Map<bigint, Map<bigint, OpenFile[]>>();

  add(pid: number, link: string, stat: FileStat): void {
    if (stat.rdev === devFuse) this.servesFuse = true;
    let devices = this.#byIno.get(stat.ino);
    if (!devices) {
      devices = new Map();
      this.#byIno.set(stat.ino, devices);
    }
    // All of them: the same file may be open through several mounts.
    const opened = devices.get(stat.dev);
    if (opened) opened.push({ pid, link });
    else devices.set(stat.dev, [{ pid, link }]);
  }

  /** Files with this inode number on another device. */
  namesakes(stat: Pick<FileStat, 'dev' | 'ino'>): OpenFile[] {
    const devices = this.#byIno.get(stat.ino);
    return devices && devices.size > 1
      ? [...devices].filter(([dev]) => dev !== stat.dev).flatMap(([, opened]) => opened)
      : [];
  }
}

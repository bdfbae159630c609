import type { FileStat, Identity } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';

export interface OpenFile {
  pid: number;
  link: string;
}

/** The device 10:229, which is /dev/fuse. Source: Documentation/admin-guide/devices.txt */
const devFuse = 0x0ae5n;

/** Only device and inode number of descriptors that were looked at together are stored. */
const unknownBirth = { birthtimeNs: 0n };

/**
 * Every file that is open anywhere in the search, by inode number. CRIU's external key has no device in it.
 * On overlayfs and btrfs two files of one mount can share a number, and this list shows where they do.
 */
export class OpenFiles {
  /**
   * One of the searched processes holds /dev/fuse, so reading from a FUSE mount may wait for a frozen
   * process.
   */
  servesFuse = false;
  readonly #byIno = new Map<bigint, { stat: Identity; opened: OpenFile[] }[]>();
  /**
   * Nearly all files, perhaps a hundred thousand, share no number with a ghost. Their entries stay plain
   * numbers until index() needs them.
   */
  readonly #descriptors: { pid: number; others: BigUint64Array }[] = [];

  add(pid: number, link: string, stat: FileStat): void {
    if (stat.rdev === devFuse) this.servesFuse = true;
    this.#insert(pid, link, stat);
  }

  /** Adds descriptors that were looked at together: fd, dev and ino of each. */
  addAll(pid: number, others: BigUint64Array): void {
    this.#descriptors.push({ pid, others });
  }

  /** Prepares namesakes() for these inode numbers; call it first. */
  index(wanted: ReadonlySet<bigint>): void {
    if (wanted.size === 0) return;
    // A set finds numbers many times faster than bigints. Nearly all files are skipped here by their low 32
    // bits.
    const low = new Set([...wanted].map(ino => Number(BigInt.asUintN(32, ino))));
    for (const { pid, others } of this.#descriptors) {
      const halves = new Uint32Array(others.buffer, others.byteOffset, others.length * 2);
      for (let at = 0; at < others.length; at += 3) {
        if (!low.has(halves[2 * (at + 2)] as number)) continue;
        const [fd, dev, ino] = others.subarray(at, at + 3) as Iterable<bigint> as [bigint, bigint, bigint];
        if (wanted.has(ino)) this.#insert(pid, `fd/${fd}`, { dev, ino, ...unknownBirth });
      }
    }
  }

  /** Other files with this inode number: on another device, or with another birth time. */
  namesakes(stat: Identity): OpenFile[] {
    const files = this.#byIno.get(stat.ino) ?? [];
    return files.filter(file => !isSameInode(file.stat, stat)).flatMap(({ opened }) => opened);
  }

  #insert(pid: number, link: string, stat: Identity): void {
    const files = this.#byIno.get(stat.ino) ?? [];
    this.#byIno.set(stat.ino, files);
    // All holders of each file are kept, because the same file may be open through several mounts.
    const known = files.find(file => isSameInode(file.stat, stat));
    if (known) known.opened.push({ pid, link });
    else files.push({ stat, opened: [{ pid, link }] });
  }
}

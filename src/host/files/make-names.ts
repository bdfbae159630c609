/**
 * Make names for a file in a folder that somebody else may write to. Every step stays inside the folder and
 * follows no link out of it.
 */

import fs from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import type { MakeableFolder } from '../../base/host/host.js';
import { cString, openInRoot } from '../native/call.js';
import { linkOpen } from '../native/libc.js';
import { randomHex } from '../native/random.js';

/** See Files.makeNames. */
export async function makeNames(
  folder: string,
  names: readonly Buffer[],
  check: (magic: bigint) => void,
  write: (fd: number) => Promise<void>,
  makeable: readonly MakeableFolder[] = [],
): Promise<'nothing' | 'links' | 'file'> {
  const rootFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const folders = new Folders(rootFd, check, makeable);
  let there: number | undefined;
  try {
    const missing = names.filter(name => {
      const fd = openInRoot(rootFd, name);
      if (fd !== undefined && there !== undefined) fs.closeSync(fd);
      else there = fd ?? there;
      return fd === undefined;
    });
    if (missing.length === 0) return 'nothing';
    const places = missing.map(name => folders.placeOf(name));
    if (there !== undefined) {
      linkAll(there, places);
      return 'links';
    }
    const temporary = folders.placeOf(Buffer.from(`.ghostkeep-${randomHex(6)}`));
    const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = fs.constants;
    const fd = fs.openSync(temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      await write(fd);
      linkAll(fd, places);
    } finally {
      fs.closeSync(fd);
      fs.rmSync(temporary, { force: true });
    }
    return 'file';
  } finally {
    if (there !== undefined) fs.closeSync(there);
    folders.close();
    fs.closeSync(rootFd);
  }
}

/**
 * Make all names or none. They are linked to the file that FD has open. So if somebody puts another file
 * under our file's temporary name, that other file does not get the names.
 */
function linkAll(fd: number, places: readonly Buffer[]): void {
  const made: Buffer[] = [];
  try {
    for (const place of places) {
      linkOpen(fd, cString(place));
      made.push(place);
    }
  } catch (error) {
    for (const place of made) fs.rmSync(place, { force: true });
    throw error;
  }
}

/** The mode of a folder that we have just made. */
const made = 0o700;

/**
 * Folders that were resolved inside the root and are held open: if somebody replaces one by a link meanwhile,
 * the new names still go into the folder that we opened.
 */
class Folders {
  readonly #fds = new Map<string, number>();
  readonly #makeable: ReadonlyMap<string, MakeableFolder>;

  constructor(
    private readonly rootFd: number,
    private readonly check: (magic: bigint) => void,
    makeable: readonly MakeableFolder[],
  ) {
    this.#makeable = new Map(makeable.map(folder => [folder.name.toString('latin1'), folder]));
  }

  /**
   * A path to NAME through the descriptor of its folder, which `check` has accepted.
   * @throws ENOENT where the folder does not exist
   */
  placeOf(name: Buffer): Buffer {
    const at = name.lastIndexOf('/');
    const fd = this.#open(name.subarray(0, Math.max(0, at)));
    return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name.subarray(at + 1)]);
  }

  #open(folder: Buffer): number {
    const key = folder.toString('latin1');
    const held = this.#fds.get(key);
    if (held !== undefined) return held;
    const fd = this.#find(folder) ?? this.#make(folder);
    if (fd === undefined)
      throw Object.assign(new Error(`the folder ${folder.toString('utf8')} is gone`), { code: 'ENOENT' });
    this.#fds.set(key, fd);
    this.check(fs.statfsSync(`/proc/self/fd/${fd}`, { bigint: true }).type);
    return fd;
  }

  #find(folder: Buffer): number | undefined {
    // The dot at the end makes openat2 follow a link, inside the root. Without the dot we would open the link
    // itself.
    return openInRoot(this.rootFd, Buffer.concat([folder, Buffer.from('/.')]));
  }

  /**
   * Makes the folder. If somebody else has made a folder of this name meanwhile, that folder is used as it
   * is.
   */
  #make(folder: Buffer): number | undefined {
    const wanted = this.#makeable.get(folder.toString('latin1'));
    if (!wanted) return undefined;
    const place = this.placeOf(folder);
    try {
      fs.mkdirSync(place, made);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      return this.#find(folder);
    }
    const fd = fs.openSync(place, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW);
    try {
      // If somebody has put another folder in the place of ours, we leave that folder as it is.
      const { uid, mode } = fs.fstatSync(fd);
      if (uid !== process.geteuid?.() || (mode & 0o7777) !== made) return fd;
      fs.fchownSync(fd, wanted.uid, wanted.gid);
      // No set-id bits: see applyMetadata.
      fs.fchmodSync(fd, wanted.mode & 0o1777);
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
    return fd;
  }

  close(): void {
    for (const fd of this.#fds.values()) fs.closeSync(fd);
  }
}

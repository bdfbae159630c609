/**
 * Names of a file in a folder that somebody else may write to: every step stays inside it and follows no link
 * out.
 */

import fs from 'node:fs';
import { cString, openInRoot } from '../native/call.js';
import { linkOpen } from '../native/libc.js';
import { randomHex } from '../native/random.js';

/** See Files.makeNames. */
export async function makeNames(
  folder: string,
  names: readonly Buffer[],
  check: (magic: bigint) => void,
  write: (fd: number) => Promise<void>,
): Promise<'nothing' | 'links' | 'file'> {
  const rootFd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const folders = new Folders(rootFd, check);
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

/** All of them or none, of the file that FD is on: who puts another one under its name gives that no name. */
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

/**
 * Folders resolved inside the root, held: who swaps one for a link meanwhile does not move what is made
 * there.
 */
class Folders {
  readonly #fds = new Map<string, number>();

  constructor(
    private readonly rootFd: number,
    private readonly check: (magic: bigint) => void,
  ) {}

  /**
   * A path to NAME through the descriptor of its folder, which check has let pass.
   * @throws ENOENT when it is not there
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

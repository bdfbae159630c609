/**
 * A restored file gets its own name only when all of it is on the disk. Until then its name marks it as
 * partial, so that the next restore into the folder can remove what an interrupted one has left.
 */
import { errnoOf } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import type { Host } from '../../base/host/host.js';
import type { Context } from '../context.js';

const partialName = /^\.ghostkeep-partial-[1-9][0-9]{0,9}-[0-9]{1,19}-[0-9]{1,9}$/;

export interface PartialFile {
  fd: number;
  /** Path of the file, through the folder's descriptor. */
  path: string;
}

let made = 0;

/**
 * Creates a file under a partial name. The caller closes it.
 * @param folder as /proc/self/fd/N; nobody else may write to it
 * @param unfinished holds the file's path until the file has its final name
 */
export function createPartial(
  { files, processes, clock }: Host,
  folder: string,
  id: number,
  unfinished: Set<string>,
): PartialFile {
  for (;;) {
    made += 1;
    // The name has pid, time and a count, so no two files at once have the same; a name that is taken is
    // skipped.
    const path = `${folder}/.ghostkeep-partial-${id}-${processes.self()}${Math.trunc(clock())}-${made}`;
    try {
      const fd = files.create(path);
      // Another restore may have taken the file for a leftover and removed it before we could lock it. Then
      // we make another.
      if (files.tryLock(fd) !== false && files.stat(fd).nlink > 0) {
        unfinished.add(path);
        return { fd, path };
      }
      files.close(fd);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}

/**
 * Opens or makes the file of a ghost whose bytes are moved to it. No restore removes such a file. The caller
 * closes it.
 * @param isBegun the file has bytes that are nowhere else
 */
export function openKept(
  { files }: Host,
  folder: string,
  { name, isBegun }: { name: string; isBegun: boolean },
): PartialFile {
  const path = `${folder}/${name}`;
  if (!isBegun) files.remove(path);
  const fd = isBegun ? files.openWritable(path) : files.create(path);
  // The name must be on the disk before a layer gives up bytes that were moved to the file.
  files.syncFolder(folder);
  return { fd, path };
}

/**
 * Removes files that interrupted restores have left. A file that another restore is writing is locked, and
 * stays.
 */
export function clearPartials({ host: { files }, log }: Context, folder: string, to: string): void {
  for (const name of files.list(folder).filter(found => partialName.test(found))) {
    const path = `${folder}/${name}`;
    const { mode, nlink } = files.statPath(path);
    if (!isRegular(mode) || nlink !== 1) continue;
    let fd: number | undefined;
    try {
      fd = files.open(path);
      const isLocked = files.tryLock(fd);
      if (isLocked === undefined)
        log.warn(`another restore has made ${to}/${name}; remove the file if that restore is over`);
      // The restore that held the lock until now may have given the file its final name.
      if (!isLocked || !files.exists(path)) continue;
      files.remove(path);
      log.warn(`removed ${to}/${name}, which an interrupted restore had left`);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      log.warn(`cannot remove ${to}/${name}, which an interrupted restore has left: ${errnoOf(error)}`);
    } finally {
      if (fd !== undefined) files.close(fd);
    }
  }
}

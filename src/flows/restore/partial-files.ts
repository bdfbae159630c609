/**
 * A file that is restored has no name of its own before all of it is on the disk. What an interrupted restore
 * has left says so by its name, and the next one into the folder removes it.
 */
import { errnoOf } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import type { Host } from '../../base/host/host.js';
import type { Context } from '../context.js';

const partialName = /^\.ghostkeep-partial-[1-9][0-9]{0,9}-[0-9]{1,19}-[0-9]{1,9}$/;

export interface PartialFile {
  fd: number;
  /** Below the folder's descriptor. */
  path: string;
}

let made = 0;

/**
 * The caller closes it.
 * @param folder as /proc/self/fd/N: nobody else may write to it
 * @param unfinished gets its path, and has it for as long as it is no ghost's name
 */
export function createPartial(
  { files, processes, clock }: Host,
  folder: string,
  id: number,
  unfinished: Set<string>,
): PartialFile {
  for (;;) {
    made += 1;
    // Pid, time and count: no two at once have the same, and a name that is there is passed over.
    const path = `${folder}/.ghostkeep-partial-${id}-${processes.self()}${Math.trunc(clock())}-${made}`;
    try {
      const fd = files.create(path);
      // Before it is locked, another restore may have taken it for a leftover.
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

/** Remove what interrupted restores have left. One that another restore is writing is locked, and stays. */
export function clearPartials({ host: { files }, log }: Context, folder: string, to: string): void {
  for (const name of files.list(folder).filter(found => partialName.test(found))) {
    const path = `${folder}/${name}`;
    const { mode, nlink } = files.statPath(path);
    if (!isRegular(mode) || nlink !== 1) continue;
    let fd: number | undefined;
    try {
      fd = files.open(path);
      const isOurs = files.tryLock(fd);
      if (isOurs === undefined) log.warn(`${to}/${name} is of another restore; remove it if that is over`);
      // Whoever had it locked until now may have given it its name.
      if (!isOurs || !files.exists(path)) continue;
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

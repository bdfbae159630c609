import { errnoOf } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import type { Context } from '../context.js';
import { isStillAt } from './base-file.js';
import { mayUse, recordsFolder } from './base-records.js';

/** Bytes that stay free besides bases. Nobody can write as many between two looks. */
export const leastFree = 256n << 20n;

/**
 * Starts the process that watches the room on the disk of IMAGES as long as bases lie there
 * (native/hook/bases/watch.c). It takes the place of the one that does so already. Nobody else may be left
 * with bases: if this fails, they have to go.
 * @param reserve bytes of the policy that stay free besides
 * @throws an errno error
 */
export function leaveWatcher({ host }: Context, images: string, reserve: bigint): void {
  // It starts in another folder, and without our descriptors.
  const where = host.files.realPath(images);
  host.commands.leave(['watch-bases', where, markOf(host, where), String(leastFree + reserve)]);
}

/** The file by which the newest of these processes is known. Without it each round would leave one more. */
function markOf(host: Host, images: string): string {
  const folder = recordsFolder(host);
  host.files.makeDirectory(folder, 0o700);
  if (!mayUse(host))
    throw Object.assign(new Error(`EACCES: others may write to ${folder}`), { code: 'EACCES' });
  const { dev, ino } = host.files.statPath(`${images}/.`);
  return `${folder}/watch-${dev}-${ino}.lock`;
}

/** Removes the marks of processes that were killed: nobody has them locked any more. */
export function removeOldMarks({ host, log }: Context): void {
  const { files } = host;
  if (!mayUse(host)) return;
  const folder = recordsFolder(host);
  for (const name of files.list(folder).filter(one => one.startsWith('watch-')))
    try {
      const path = `${folder}/${name}`;
      const fd = files.openWritable(path);
      try {
        if (files.tryLock(fd) === true && isStillAt(files, path, files.stat(fd))) files.remove(path);
      } finally {
        files.close(fd);
      }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      log.info(`${folder}/${name} stays: ${error}`);
    }
}

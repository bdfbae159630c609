import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import type { Context } from '../context.js';
import { isStillAt } from './base-file.js';
import { mayUse } from './base-records.js';
import { isMarkName, recordsFolder } from './records-folder.js';

/** Bytes that stay free besides bases. Nobody can write as many between two looks. */
export const leastFree = 256n << 20n;

/** A mark names one directory. */
const mostBytes = { bytes: 8192, code: 'BAD_INPUT' } as const;

/**
 * Starts the process that watches the room on the disk of IMAGES as long as bases lie there, or we live
 * (native/hook/bases/watch.c). It takes the place of the one that does so already. The caller starts it
 * before the first base comes, because the caller may be killed at any moment. If this fails, no base may
 * come.
 * @param reserve bytes of the policy that stay free besides
 * @throws an errno error
 */
export function leaveWatcher({ host }: Context, images: string, reserve: bigint): void {
  // It starts in another folder, and without our descriptors.
  const where = host.files.realPath(images);
  start(host, where, markOf(host, where), String(leastFree + reserve));
}

function start({ commands, processes }: Host, images: string, mark: string, least: string): void {
  commands.leave(['watch-bases', images, mark, least, String(processes.self())]);
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

/**
 * Starts those again that were killed: nobody has their mark locked any more. If there are no bases, the new
 * one ends with its mark. We touch no disk, because its server may be dead.
 */
export function watchAgain({ host, log }: Context): void {
  if (!mayUse(host)) return;
  const folder = recordsFolder(host);
  for (const name of host.files.list(folder).filter(isMarkName))
    try {
      watchAgainBy(host, `${folder}/${name}`);
    } catch (error) {
      if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
      log.info(`nobody watches the bases of ${folder}/${name}: ${reasonOf(error)}`);
    }
}

function watchAgainBy(host: Host, mark: string): void {
  const { files } = host;
  const fd = files.openWritable(mark);
  try {
    if (files.tryLock(fd) !== true || !isStillAt(files, mark, files.stat(fd))) return;
    const [, least, images] = /^([0-9]+) (\/.*)$/s.exec(files.read(mark, mostBytes).toString('utf8')) ?? [];
    // One that was killed before its mark had its name has watched nothing yet.
    if (images === undefined || !mark.endsWith('.lock')) files.remove(mark);
    else start(host, images, mark, least as string);
  } finally {
    files.close(fd);
  }
}

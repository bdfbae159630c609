import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import type { Context } from '../context.js';
import { isStillAt } from './base-file.js';
import { mayUse } from './base-records.js';
import { isMarkName, recordsFolder } from './records-folder.js';

/** Bytes that stay free beside bases. Nobody can write as many between two looks of the watcher. */
export const leastFree = 256n << 20n;

/** The bound of a mark, which has three numbers and the path of one directory in it. */
const mostBytes = { bytes: 8192, code: 'BAD_INPUT' } as const;

/**
 * Starts the process that watches the room on the disk of IMAGES as long as bases lie there, or we live
 * (native/hook/bases/watch.c). It takes the place of an earlier one for the same directory. The caller starts
 * it before the first base is put there, because the caller may be killed at any moment. If the start fails,
 * the caller must not put any base there.
 * @param reserve bytes of the policy that also stay free
 * @throws an errno error
 */
export function leaveWatcher({ host }: Context, images: string, reserve: bigint): void {
  // The watcher starts in another folder, and without our descriptors, so it needs the real path.
  const where = host.files.realPath(images);
  start(host, where, markOf(host, where), String(leastFree + reserve), [String(host.processes.self())]);
}

/** @param starter the pid of the process that needs the bases, with its start time if that is not our own */
function start({ commands }: Host, images: string, mark: string, least: string, starter: string[]): void {
  commands.leave(['watch-bases', images, mark, least, ...starter]);
}

/**
 * The path of the mark of IMAGES: the file by which everybody knows the newest watcher there. The others then
 * end. Without the mark each round would leave one more watcher.
 */
function markOf(host: Host, images: string): string {
  const folder = recordsFolder(host);
  host.files.makeDirectory(folder, 0o700);
  if (!mayUse(host))
    throw Object.assign(new Error(`EACCES: others may write to ${folder}`), { code: 'EACCES' });
  const { dev, ino } = host.files.statPath(`${images}/.`);
  return `${folder}/watch-${dev}-${ino}.lock`;
}

/**
 * Starts watchers again that were killed: nobody has their mark locked any more. If there are no bases, the
 * new watcher removes the mark and ends. The process that needs the bases is the one in the mark, which may
 * live, and not ours. We touch no disk with bases, because its server may be dead.
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
    const text = files.read(mark, mostBytes).toString('utf8');
    // The marks of version 0.2.0 name no starter.
    const [, least, pid = '0', startTime = '0', images] =
      /^([0-9]+) (?:([0-9]+) ([0-9]+) )?(\/.*)$/s.exec(text) ?? [];
    // A watcher that was killed before its mark had its final name has watched nothing yet.
    if (images === undefined || !mark.endsWith('.lock')) files.remove(mark);
    else start(host, images, mark, least as string, [pid, startTime]);
  } finally {
    files.close(fd);
  }
}

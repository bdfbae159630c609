import { errnoOf } from '../../base/errors.js';
import { isSillyName, looksSilly } from '../../base/filesystems.js';
import { isRegular } from '../../base/host/file-type.js';
import type { FileStat, ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import type { GhostClass } from '../ghost.js';
import { looksDeleted } from '../links.js';

/**
 * Is the file behind /proc/PID/LINK a ghost? st_nlink is the proof. " (deleted)" alone is no proof, because a
 * live file may have such a name, and because NFS, AFS and FUSE never let the count reach 0 while the file is
 * open.
 * @param known the target of the link; undefined where it was not read or is too long
 * @param magic gives statfs(2) f_type; a caller that has already asked the server passes its answer on
 */
export function classify(
  processes: ProcessView,
  pid: number,
  link: string,
  stat: FileStat,
  known?: Buffer,
  magic = () => processes.filesystemMagic(pid, link),
): GhostClass | undefined {
  if (stat.nlink === 0) return 'unlinked';
  if (!isRegular(stat.mode)) return undefined;
  const target = known ?? readAnyLink(processes, pid, link);
  if (looksSilly(target)) return isSillyName(target, magic()) ? 'silly-renamed' : undefined;
  if (!looksDeleted(target)) return undefined;
  const named = processes.statInRoot(pid, target);
  return named && isSameInode(named, stat) ? undefined : 'linked';
}

/**
 * Reads a link of /proc to learn the path of its file, because only the path tells a live file from a ghost
 * that has other names. The kernel does not show a path of more than a page in a link; then the file must be
 * opened to learn its path.
 */
function readAnyLink(processes: ProcessView, pid: number, link: string): Buffer {
  try {
    return processes.readLink(pid, link);
  } catch (error) {
    if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
    return processes.longPath(pid, link);
  }
}

import { errnoOf } from '../../base/errors.js';
import { isSillyName, looksSilly } from '../../base/filesystems.js';
import { isRegular } from '../../base/host/file-type.js';
import type { FileStat, ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import type { GhostClass } from '../ghost.js';
import { looksDeleted } from '../links.js';

/**
 * Is the file behind /proc/PID/LINK a ghost? st_nlink is the proof; " (deleted)" alone is none, because a
 * live file may be named so, and NFS, AFS and FUSE never let the count reach 0 while the file is open.
 * @param known what the link says, by whoever has read it; undefined: it was not read, or is too long
 * @param magic statfs(2) f_type: whoever has asked a server already passes it on
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
 * Opens a file only where its path is too long for a link: a name is what tells a live file from a ghost with
 * links.
 */
function readAnyLink(processes: ProcessView, pid: number, link: string): Buffer {
  try {
    return processes.readLink(pid, link);
  } catch (error) {
    if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
    return processes.longPath(pid, link);
  }
}

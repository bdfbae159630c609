/**
 * Finds out which names are free, so that a file could be made again under them. The names are inside a root
 * that somebody else controls. They are looked up through descriptors that do nothing to the files.
 */
import fs from 'node:fs';
import { ask, openInRoot } from '../native/call.js';

/** @param root a folder in which the paths are absolute. See ProcessView.areFree. */
export function areFree(
  root: string,
  mountId: number,
  mountPoint: Buffer,
  folder: Buffer,
  names: readonly Buffer[],
): boolean[] {
  const rootFd = fs.openSync(root, fs.constants.O_RDONLY);
  try {
    // If the folder is gone, CRIU makes the file in the nearest folder that exists.
    const top = mountPoint.length === 1 ? 0 : mountPoint.length;
    for (let at = folder; at.length >= top; at = at.subarray(0, Math.max(0, at.lastIndexOf('/')))) {
      const fd = openInRoot(rootFd, at.length === 0 ? Buffer.from('/') : at);
      if (fd === undefined && at.length === 0) break;
      if (fd === undefined) continue;
      try {
        if (!isFolderOf(fd, mountId, at)) return names.map(() => false);
        return at.length < folder.length ? names.map(() => true) : areFreeIn(fd, names);
      } finally {
        fs.closeSync(fd);
      }
    }
    return names.map(() => true);
  } finally {
    fs.closeSync(rootFd);
  }
}

/** If a symbolic link had been followed, the kernel would show another path. Source: proc_pid_fdinfo(5). */
function isFolderOf(fd: number, mountId: number, path: Buffer): boolean {
  const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  if (Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]) !== mountId || !fs.fstatSync(fd).isDirectory())
    return false;
  return path.length === 0 || fs.readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).equals(path);
}

function areFreeIn(folderFd: number, names: readonly Buffer[]): boolean[] {
  const answers = Buffer.alloc(names.length);
  ask('gk_are_free', folderFd, names.length, Buffer.concat(names.flatMap(name => [name, end])), answers);
  return Array.from(answers, answer => answer === 1);
}

const end = Buffer.alloc(1);

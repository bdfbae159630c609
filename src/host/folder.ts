/**
 * Is a folder still where its path says? Looked at inside a root that somebody else controls, through descriptors that
 * act on nothing.
 */
import fs from 'node:fs';
import { openInRoot } from './native.js';

/** @param root a folder in which the paths are absolute. See ProcessView.canHoldAgain. */
export function canHoldAgain(root: string, mountId: number, mountPoint: Buffer, folder: Buffer): boolean {
  const rootFd = fs.openSync(root, fs.constants.O_RDONLY);
  try {
    // What is gone, CRIU makes again in the nearest folder that is there.
    for (let at = folder; at.length > mountPoint.length; at = at.subarray(0, at.lastIndexOf('/'))) {
      const fd = openInRoot(rootFd, at);
      if (fd === undefined) continue;
      try {
        return isFolderOf(fd, mountId, at);
      } finally {
        fs.closeSync(fd);
      }
    }
    return true;
  } finally {
    fs.closeSync(rootFd);
  }
}

/** Had a symbolic link been followed, the kernel would show another path. Source: proc_pid_fdinfo(5). */
function isFolderOf(fd: number, mountId: number, path: Buffer): boolean {
  const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  return (
    Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]) === mountId &&
    fs.fstatSync(fd).isDirectory() &&
    fs.readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).equals(path)
  );
}

import fs from 'node:fs';
import type { FileStat, Mount } from '../../base/host/host.js';
import { openInRoot } from '../native/call.js';
import { toFileStat } from '../native/stat.js';
import { pathOnly } from './open-regular.js';

const slash = Buffer.from('/');

/** Source: proc_pid_fdinfo(5). */
export function mountId(fd: number): string | undefined {
  return /^mnt_id:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
}

/** See Files.statOn. */
export function statOn(mount: Mount, name: Buffer): FileStat | undefined {
  const rootFd = fs.openSync(mount.mountPoint, pathOnly);
  try {
    if (name.length === 0 && mountId(rootFd) === String(mount.id))
      return toFileStat(fs.fstatSync(rootFd, { bigint: true }));
    // The part of the path that exists must be on this mount: another mount on the way hides the rest.
    for (let path = name; ; path = path.subarray(0, Math.max(0, path.lastIndexOf('/')))) {
      const fd = openInRoot(rootFd, Buffer.concat([slash, path]));
      if (fd === undefined && path.length > 0) continue;
      if (fd === undefined) return undefined;
      try {
        if (mountId(fd) !== String(mount.id))
          throw Object.assign(new Error('another mount'), { code: 'EXDEV' });
        return path.length === name.length ? toFileStat(fs.fstatSync(fd, { bigint: true })) : undefined;
      } finally {
        fs.closeSync(fd);
      }
    }
  } finally {
    fs.closeSync(rootFd);
  }
}

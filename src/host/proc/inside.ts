/** The kernel's information on files that no descriptor leads to. Only /proc and /sys are read. */
import fs from 'node:fs';
import type { FileStat } from '../../base/host/host.js';
import { splitDev } from '../../base/units.js';
import { boundFile, getDescriptor, readXattr } from '../native/libc.js';
import { statCached } from '../native/stat.js';

const partBytes = 4096;

/**
 * A descriptor's fdinfo, one character a byte, at most LIMIT bytes. An io_uring may list a million files
 * there. Source: proc_pid_fdinfo(5)
 */
export function readFdInfo(pid: number, fd: number, limit: number): string {
  const file = fs.openSync(`/proc/${pid}/fdinfo/${fd}`, fs.constants.O_RDONLY);
  try {
    const parts: Buffer[] = [];
    for (let length = 0; length < limit; ) {
      const part = Buffer.alloc(Math.min(length === 0 ? partBytes : limit, limit - length));
      const got = fs.readSync(file, part);
      if (got === 0) break;
      parts.push(part.subarray(0, got));
      length += got;
    }
    return Buffer.concat(parts).toString('latin1');
  } finally {
    fs.closeSync(file);
  }
}

/**
 * Path of the file behind a loop device, or behind the loop device that RDEV is a partition of; undefined for
 * other devices. Source: drivers/block/loop.c, loop_attr_backing_file_show
 */
export function readBackingFile(rdev: bigint): Buffer | undefined {
  const { major, minor } = splitDev(rdev);
  for (const folder of ['', '../']) {
    try {
      const text = fs.readFileSync(`/sys/dev/block/${major}:${minor}/${folder}loop/backing_file`);
      // The kernel ends the path with a newline.
      return text.subarray(0, -1);
    } catch {
      // This is not a loop device, or its file has been detached by now.
    }
  }
  return undefined;
}

/**
 * Only unix sockets are shared with this process, for a moment. To tell them from others, we read the
 * protocol, which each socket has as an extended attribute (net/socket.c, sockfs_xattr_get). CRIU shares all
 * sockets in the same way.
 */
export function boundAt(pid: number, fd: number): { path: Buffer; stat: FileStat } | undefined {
  const protocol = readXattr(`/proc/${pid}/fd/${fd}`, 'system.sockprotoname');
  if (protocol !== undefined && !protocol.startsWith('UNIX')) return undefined;
  const socket = getDescriptor(pid, fd);
  try {
    const file = boundFile(socket);
    if (file === undefined) return undefined;
    try {
      // The socket's file may be on any mount, also on one whose server is dead or frozen, so no server is
      // asked.
      const own = `/proc/self/fd/${file}`;
      return { path: fs.readlinkSync(own, { encoding: 'buffer' }), stat: statCached(own) };
    } finally {
      fs.closeSync(file);
    }
  } finally {
    fs.closeSync(socket);
  }
}

/** The kernel's information on files that no descriptor leads to. Only /proc and /sys are read. */
import fs from 'node:fs';
import { splitDev } from '../../base/units.js';

const partBytes = 4096;

/**
 * A descriptor's fdinfo, one character a byte, at most LIMIT bytes. An io_uring may list a million files
 * there. Source: proc_pid_fdinfo(5)
 */
export function readFdInfo(pid: number, fd: number, limit: number): string {
  return readBounded(`/proc/${pid}/fdinfo/${fd}`, limit);
}

/** The unix sockets in the network namespace of PID, as readFdInfo reads. Source: unix(7), /proc/net/unix */
export function readUnixSockets(pid: number, limit: number): string {
  return readBounded(`/proc/${pid}/net/unix`, limit);
}

function readBounded(path: string, limit: number): string {
  const file = fs.openSync(path, fs.constants.O_RDONLY);
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

import type { Holder } from './ghost.js';

/** Source: fs/d_path.c: the kernel puts this behind the path of an unhashed dentry. */
const deletedSuffix = Buffer.from(' (deleted)');

export function looksDeleted(target: Buffer): boolean {
  return target.subarray(-deletedSuffix.length).equals(deletedSuffix);
}

/** Strips the suffix once, as CRIU does. A name may itself end with this suffix. */
export function stripDeleted(target: Buffer): Buffer {
  return looksDeleted(target) ? target.subarray(0, -deletedSuffix.length) : target;
}

/**
 * Stands for a path that is too long for a link of /proc. It does not begin with a slash, so no file has this
 * path.
 */
export const longPath = Buffer.from('(a path of more than 4,095 bytes)');

/**
 * Files that never had a name in a mounted file system. Source: mm/{shmem,secretmem}.c, ipc/shm.c, fs/aio.c,
 * fs/hugetlbfs.
 */
export function internalName(path: Buffer): string | undefined {
  const text = path.toString('latin1');
  if (text.startsWith('/memfd:')) return 'a memfd';
  if (/^\/SYSV[0-9a-f]{8}$/.test(text)) return 'SysV shared memory';
  if (text === '/dev/zero') return 'anonymous shared memory';
  if (text === '/[aio]') return 'an aio ring';
  if (text.startsWith('/anon_hugepage')) return 'anonymous huge pages';
  if (text === '/secretmem') return 'secret memory';
  return undefined;
}

const accessMode = 0o3;

export function fdHolder(pid: number, fd: number, flags: number, position: bigint): Holder {
  return {
    pid,
    via: 'fd',
    link: `fd/${fd}`,
    fd,
    flags,
    position,
    writable: (flags & accessMode) !== 0,
    shared: true,
  };
}

export function linkHolder(pid: number, via: 'exe' | 'cwd' | 'root'): Holder {
  return { pid, via, link: via, writable: false, shared: true };
}

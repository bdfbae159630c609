/**
 * Find what descriptors hold on a shared /dev/shm by its name, although their links do not lead there: unix
 * sockets that are bound in a folder, and files that inotify or fanotify watches. CRIU binds or watches them
 * again under their names, and fails where these are missing. A socket in /dev/shm itself comes back.
 */
import { errnoOf, reasonOf } from '../../base/errors.js';
import type { Identity, ProcessView } from '../../base/host/host.js';
import { makeDev } from '../../base/units.js';
import { fdHolder } from '../links.js';
import type { Lost } from './found.js';
import type { Carrier } from './inside.js';

/** We read this much of an fdinfo, which has room for some 100,000 watches. */
const mostBytes = 16 << 20;
/**
 * A watch of a file, with the file's inode and device. Watches of mounts do not match. Source:
 * fs/notify/fdinfo.c
 */
const watched = /^(?:inotify|fanotify) (?:wd:\S+ )?ino:([0-9a-f]+) sdev:([0-9a-f]+)/gm;
const gone = new Set(['ENOENT', 'ESRCH', 'EBADF']);

/**
 * @param sharedBy gives the devices of the shared file systems that a process sees at SHM, the path /dev/shm
 */
export function findHeldByName(
  processes: ProcessView,
  carriers: readonly Carrier[],
  sharedBy: (pid: number) => ReadonlySet<bigint>,
  shm: Buffer,
): { bound: Lost[]; watches: Lost[]; unknown: Lost[] } {
  const [bound, watches] = [new Map<string, Lost>(), new Map<string, Lost>()];
  const unknown: Lost[] = [];
  for (const { pid, fds } of carriers) {
    const shared = sharedBy(pid);
    const [first] = shared;
    if (first === undefined) continue;
    for (const fd of fds)
      try {
        const link = processes.readLink(pid, `fd/${fd}`).toString('latin1');
        const [found, list] = link.startsWith('socket:[')
          ? [boundSocket(processes, pid, fd, shm), bound]
          : [isWatcher.test(link) ? watchesOf(processes, pid, fd, shm) : [], watches];
        for (const one of found)
          if (shared.has(one.stat.dev)) list.set(`${one.stat.dev}/${one.stat.ino}`, one);
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === undefined) throw error;
        // The descriptor was closed, or the process has ended.
        if (gone.has(errno)) continue;
        const why = `it is not known which file there this descriptor needs: ${reasonOf(error)}`;
        unknown.push(lostThrough(pid, fd, shm, identity(first, 0n), why));
      }
  }
  return { bound: [...bound.values()], watches: [...watches.values()], unknown };
}

const isWatcher = /^anon_inode:(inotify|\[fanotify\])$/;

const identity = (dev: bigint, ino: bigint): Identity => ({ dev, ino, birthtimeNs: 0n });

function lostThrough(pid: number, fd: number, path: Buffer, stat: Identity, why: string): Lost {
  return { path, stat, holder: fdHolder(pid, fd, 0, 0n), why };
}

function boundSocket(processes: ProcessView, pid: number, fd: number, shm: Buffer): Lost[] {
  const file = processes.boundAt(pid, fd);
  // A socket whose name was removed, or that is on another mount, is left to CRIU.
  if (!file || file.stat.nlink === 0) return [];
  const { path, stat } = file;
  const folder = path.subarray(0, path.lastIndexOf('/'));
  const below = Buffer.concat([shm, Buffer.from('/')]);
  if (!folder.subarray(0, below.length).equals(below)) return [];
  const why = 'a socket is bound in a folder that is not there in another pod';
  return [{ ...lostThrough(pid, fd, path, stat, why), folder }];
}

function watchesOf(processes: ProcessView, pid: number, fd: number, shm: Buffer): Lost[] {
  const text = processes.fdInfo(pid, fd, mostBytes);
  if (text.length >= mostBytes)
    throw Object.assign(new Error('EFBIG: it has too many watches'), { code: 'EFBIG' });
  return [...text.matchAll(watched)].map(([, ino = '', sdev = '']) => {
    const file = identity(kernelDev(Number.parseInt(sdev, 16)), BigInt(`0x${ino}`));
    const why = `it watches inode ${file.ino}, which is not there in another pod`;
    return lostThrough(pid, fd, shm, file, why);
  });
}

/** The kernel shows its own form of a device number here. Source: linux/kdev_t.h, MKDEV */
function kernelDev(sdev: number): bigint {
  return makeDev(BigInt(sdev >>> 20), BigInt(sdev & 0xfffff));
}

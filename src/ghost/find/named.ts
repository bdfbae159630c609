/**
 * Find the open files on /dev/shm that have their names, where /dev/shm comes from outside the container: the
 * tmpfs of a pod, for example. CRIU writes down their names only. It leaves the content of such a mount to
 * the engine, and no engine keeps it, so the files are gone when the container comes back in another pod.
 * They are no ghosts: CRIU dumps and restores them as it does without us, and we bring the names back.
 */
import { errnoOf } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import type { ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { type Ghost, pathOf } from '../ghost.js';
import { looksDeleted } from '../links.js';
import type { MountTable } from '../mounts/mount-table.js';
import { holderOfSeen, type Seen } from '../seen.js';
import { findNames, type SearchBudget } from './names.js';

/** The look of the gate has the same: native/gate/look/mounts.c. */
const shmPath = Buffer.from('/dev/shm');
const shmFilesystem = 'tmpfs';
/** Any holder leads to the file. A thousand processes may share it, and the manifest has to stay small. */
const mostHolders = 64;

export class NamedFiles {
  readonly #found = new Map<string, Ghost>();

  constructor(
    private readonly processes: ProcessView,
    private readonly mounts: MountTable,
  ) {}

  /** @param others the descriptors of PID that hold no ghost, three numbers each: fd, dev, ino */
  descriptors(pid: number, others: BigUint64Array): void {
    const devices = this.#devicesFor(pid);
    if (devices.size === 0) return;
    const fds: number[] = [];
    for (let at = 0; at < others.length; at += 3)
      if (devices.has(others[at + 1] as bigint)) fds.push(Number(others[at]));
    for (const look of this.processes.lookAt(pid, fds)) {
      // The descriptor was closed meanwhile, for example. CRIU looks itself.
      if ('error' in look) continue;
      const { fd, info } = look;
      const stat = { ...look.stat, mountId: info.mountId };
      this.see({ pid, what: `fd ${fd}`, link: `fd/${fd}`, stat, look });
    }
  }

  /** Takes a file that is no ghost, if it is one of those. */
  see(seen: Seen): void {
    const { pid, link, stat, look } = seen;
    if (stat.nlink === 0 || !isRegular(stat.mode) || !this.#devicesFor(pid).has(stat.dev)) return;
    try {
      const target = look?.target ?? this.processes.readLink(pid, link);
      // The name of such a file is not certain, and CRIU cuts it as well.
      if (looksDeleted(target)) return;
      const holder = holderOfSeen(seen);
      const pair = `${stat.dev}/${stat.ino}`;
      let file = this.#found.get(pair);
      if (file && !isSameInode(file.stat, stat)) return;
      if (!file) {
        const [filesystem, keep] = ['unknown', 'ghostkeep'] as const;
        file = { class: 'named', stat, filesystem, mounts: [], holders: [], keep, why: '' };
        this.#found.set(pair, file);
      }
      if (file.holders.length < mostHolders) file.holders.push(holder);
      this.mounts.attach(file, holder, look?.info.mountId, target);
    } catch (error) {
      // The process may have ended, or closed the file. A path of more than a page is one of CRIU's errors.
      if (errnoOf(error) === undefined) throw error;
    }
  }

  /** @param ghosts of this search: a file that is a ghost as well comes back as one */
  finish(ghosts: readonly Ghost[], budget: SearchBudget): Ghost[] {
    if (this.#found.size === 0) return [];
    const ours = this.processes.mounts(this.processes.self());
    const [devices, ids] = [new Set(ours.map(({ dev }) => dev)), new Set(ours.map(({ id }) => id))];
    const isFromOutside = ({ filesystem, mounts: [first, ...others] }: Ghost) =>
      filesystem === shmFilesystem &&
      [first, ...others].every(
        mount =>
          mount?.mountPoint?.equals(shmPath) &&
          !mount.covered &&
          !mount.beyondCriu &&
          mount.dev !== undefined &&
          devices.has(mount.dev) &&
          !ids.has(mount.id),
      );
    const taken = new Map(ghosts.map(ghost => [`${ghost.stat.dev}/${ghost.stat.ino}`, ghost]));
    return [...this.#found].flatMap(([pair, file]) => {
      const ghost = taken.get(pair);
      if ((ghost && isSameInode(ghost.stat, file.stat)) || !isFromOutside(file)) return [];
      this.#nameIt(file, budget);
      return [file];
    });
  }

  /** A file with several names gets all that are found; other processes may open it by any of them. */
  #nameIt(file: Ghost, budget: SearchBudget): void {
    const opened = pathOf(file);
    if (file.stat.nlink > 1) findNames(this.processes, file, budget);
    for (const mount of file.mounts)
      mount.names = [opened, ...(mount.names ?? []).filter(name => !name.equals(opened))];
  }

  #devicesFor(pid: number): ReadonlySet<bigint> {
    try {
      return this.mounts.devicesAt(pid, shmPath, shmFilesystem);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return new Set();
    }
  }
}

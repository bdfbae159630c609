/**
 * Find the open files on /dev/shm that have their names, where /dev/shm comes from outside the container: the
 * tmpfs of a pod, for example. CRIU writes down their names only. It leaves the content of such a mount to
 * the engine, and no engine keeps it, so the files are gone when the container comes back in another pod.
 * They are no ghosts: CRIU dumps and restores them as it does without us, and we bring the names back.
 *
 * Only the content of regular files can be brought back. The search also finds what else is held there by its
 * name, because a dump has to refuse it: CRIU would not notice before the restore.
 */
import { errnoOf } from '../../base/errors.js';
import { isDirectory, isRegular, kindName } from '../../base/host/file-type.js';
import type { ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { type Ghost, type GhostMount, pathOf } from '../ghost.js';
import { looksDeleted } from '../links.js';
import type { MountTable } from '../mounts/mount-table.js';
import {
  findShm,
  listShm,
  mayClose,
  type OnShm,
  pairOf,
  type SharedShm,
  type ShmList,
  shmPath,
} from '../mounts/on-shm.js';
import { holderOfSeen, type Seen } from '../seen.js';
import type { Closed, Found, Lost } from './found.js';
import { findHeldByName } from './held-by-name.js';
import type { Carrier } from './inside.js';
import { findNames, type SearchBudget } from './names.js';

/** The first look of the gate has the same value: native/gate/look/mounts.c. */
const shmFilesystem = 'tmpfs';
/**
 * We note this many holders of a file at most. Any holder leads to the file, a thousand processes may share
 * it, and the manifest has to stay small.
 */
const mostHolders = 8;
const none: ReadonlySet<bigint> = new Set();
export const noneClosed: Closed = { files: [], complete: true, places: [], mayShare: false };

export class NamedFiles {
  readonly #found = new Map<string, Ghost>();
  /** Why a file cannot be copied; all others are copied. */
  readonly #whyNot = new Map<Ghost, string>();
  /** The devices of the file systems at /dev/shm, each with a process that sees it there. */
  readonly #seenBy = new Map<bigint, number>();

  constructor(
    private readonly processes: ProcessView,
    private readonly mounts: MountTable,
  ) {}

  /** @param others the descriptors of PID that hold no ghost, three numbers each: fd, dev, ino */
  descriptors(pid: number, others: BigUint64Array): void {
    const devices = this.#devicesFor(pid);
    for (const dev of devices) if (!this.#seenBy.has(dev)) this.#seenBy.set(dev, pid);
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

  /** Notes the file if it is no ghost and lies on the file system that its process has at /dev/shm. */
  see(seen: Seen): void {
    const { pid, link, stat, look } = seen;
    if (stat.nlink === 0 || !this.#devicesFor(pid).has(stat.dev)) return;
    try {
      const target = look?.target ?? this.processes.readLink(pid, link);
      // The folder /dev/shm itself is there in every pod.
      if (target.equals(shmPath)) return;
      const holder = holderOfSeen(seen);
      const pair = `${stat.dev}/${stat.ino}`;
      let file = this.#found.get(pair);
      if (file && !isSameInode(file.stat, stat)) return;
      if (!file) {
        const [filesystem, keep] = ['unknown', 'ghostkeep'] as const;
        file = { class: 'named', stat, filesystem, mounts: [], holders: [], keep, why: '' };
        this.#found.set(pair, file);
      }
      const whyNot = whyLost(stat.mode, target);
      if (whyNot !== undefined) this.#whyNot.set(file, whyNot);
      if (file.holders.length < mostHolders) file.holders.push(holder);
      this.mounts.attach(file, holder, look?.info.mountId, target);
    } catch (error) {
      // The process may have ended, or closed the file. A path of more than a page is one of CRIU's errors.
      if (errnoOf(error) === undefined || errnoOf(error) === 'EFBIG') throw error;
    }
  }

  /** @param ghosts of this search. If a named file is also among them, it comes back as a ghost */
  finish(
    ghosts: readonly Ghost[],
    budget: SearchBudget,
    carriers: readonly Carrier[],
  ): Pick<Found, 'named' | 'lost' | 'closed'> {
    const [named, lost]: [Ghost[], Lost[]] = [[], []];
    if (this.#found.size === 0 && this.#seenBy.size === 0) return { named, lost, closed: noneClosed };
    const ours = this.processes.mounts(this.processes.self());
    const [devices, ids] = [new Set(ours.map(({ dev }) => dev)), new Set(ours.map(({ id }) => id))];
    const isOnShm = ({ mountPoint }: GhostMount) => mountPoint?.equals(shmPath) ?? false;
    const isFromOutside = ({ id, dev }: GhostMount) => dev !== undefined && devices.has(dev) && !ids.has(id);
    // CRIU itself refuses a file on such a mount at the dump.
    const refusedByCriu = ({ covered, beyondCriu }: GhostMount) => covered || beyondCriu;
    const taken = new Map(ghosts.map(ghost => [`${ghost.stat.dev}/${ghost.stat.ino}`, ghost]));
    for (const [pair, file] of this.#found) {
      const ghost = taken.get(pair);
      if (ghost && isSameInode(ghost.stat, file.stat)) continue;
      const { filesystem, mounts } = file;
      if (filesystem !== shmFilesystem || !mounts.some(mount => isOnShm(mount) && isFromOutside(mount)))
        continue;
      if (mounts.some(refusedByCriu)) continue;
      const other = mounts.find(mount => !isOnShm(mount) || !isFromOutside(mount));
      const whyNot =
        this.#whyNot.get(file) ?? (other && `it is open through ${showPoint(other)} as well as /dev/shm`);
      if (whyNot !== undefined) {
        const [path, folder] = [pathOf(file), isDirectory(file.stat.mode) ? { folder: pathOf(file) } : {}];
        lost.push({ path, ...folder, stat: file.stat, holder: file.holders[0], why: whyNot });
        continue;
      }
      if (this.#nameIt(file, budget)) named.push(file);
      else
        lost.push({
          path: pathOf(file),
          stat: file.stat,
          holder: file.holders[0],
          why: `not all of its ${file.stat.nlink} names were found, and it may be open by another`,
        });
    }
    const sharedBy = (pid: number) =>
      this.#seesOurs(pid) ? none : new Set([...this.#devicesFor(pid)].filter(dev => devices.has(dev)));
    const onShm = carriers.filter(({ pid }) => this.#devicesFor(pid).size > 0);
    const { bound, watches, unknown } = findHeldByName(this.processes, onShm, sharedBy, shmPath);
    const back = new Set([...named, ...ghosts].map(pairOf));
    const away = watches.filter(watch => !back.has(pairOf(watch)));
    // If no process holds a file on the host's own /dev/shm, the file belongs to no container. That folder is
    // listed only to learn the names of files that are watched.
    const lists = [...this.#seenBy]
      .filter(([dev, pid]) => sharedBy(pid).has(dev))
      .flatMap(([dev, pid]) => findShm(this.processes, ours, pid, dev) ?? [])
      .filter(({ isHosts }) => !isHosts || away.length > 0)
      .map(shm => ({ ...shm, ...listShm(this.processes, shm, this.#found.size) }));
    const all = [...lost, ...bound, ...unknown, ...nameWatched(away, lists)];
    const pods = lists.filter(({ isHosts }) => !isHosts);
    const mayShare = [...this.#seenBy.keys()].some(dev => devices.has(dev));
    const closed = closedOn(pods, new Set([...back, ...all.map(pairOf)]));
    return { named, lost: all, closed: { ...closed, mayShare } };
  }

  /** True where the process has the same mounts as we, and so is in no container, and where it has ended. */
  #seesOurs(pid: number): boolean {
    try {
      return this.processes.mountNamespace(pid) === this.processes.mountNamespace(this.processes.self());
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return true;
    }
  }

  /**
   * A file with several names gets all of them, because processes may have opened it by any.
   * @returns false where some were not found
   */
  #nameIt(file: Ghost, budget: SearchBudget): boolean {
    const opened = pathOf(file);
    const isComplete = file.stat.nlink <= 1 || findNames(this.processes, file, budget);
    for (const mount of file.mounts)
      mount.names = [opened, ...(mount.names ?? []).filter(name => !name.equals(opened))];
    return isComplete;
  }

  #devicesFor(pid: number): ReadonlySet<bigint> {
    try {
      return this.mounts.devicesAt(pid, shmPath, shmFilesystem);
    } catch (error) {
      // If a process has too many mounts, we do not know whether it has a /dev/shm.
      if (errnoOf(error) === undefined || errnoOf(error) === 'EFBIG') throw error;
      return new Set();
    }
  }
}

/**
 * Gives each watch the name of what it watches. A watch of the folder /dev/shm itself is left out, because
 * that folder is there in every pod.
 */
function nameWatched(watches: readonly Lost[], lists: readonly ShmList[]): Lost[] {
  if (watches.length === 0) return [];
  const files = new Map(lists.flatMap(list => list.files.map(file => [pairOf(file), file])));
  return watches.flatMap(watch => {
    const file = files.get(pairOf(watch));
    if (!file) return watch;
    const { path, stat } = file;
    if (path.equals(shmPath)) return [];
    return { ...watch, path, ...(isDirectory(stat.mode) ? { folder: path } : {}) };
  });
}

/** @param known device and inode of each file that comes back, or because of which the dump is refused */
function closedOn(
  lists: readonly (SharedShm & ShmList)[],
  known: ReadonlySet<string>,
): Omit<Closed, 'mayShare'> {
  const isClosed = (file: OnShm) => mayClose(file) && !known.has(pairOf(file));
  return {
    files: lists.flatMap(({ files }) => files.filter(isClosed)),
    complete: lists.every(({ complete }) => complete),
    places: lists,
  };
}

const showPoint = ({ mountPoint }: GhostMount) => mountPoint?.toString('utf8') ?? 'an unknown mount';

/** @param target the path of the file, as the kernel shows it */
function whyLost(mode: number, target: Buffer): string | undefined {
  if (isDirectory(mode)) return 'the folder is not there in another pod';
  if (!isRegular(mode)) return `it is ${kindName(mode) ?? 'a socket'}, of which nothing can be copied`;
  return looksDeleted(target) ? 'its name ends with " (deleted)", which CRIU cuts off' : undefined;
}

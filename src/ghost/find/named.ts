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
import type { Mount, ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { type Ghost, type GhostMount, pathOf } from '../ghost.js';
import { looksDeleted } from '../links.js';
import type { MountTable } from '../mounts/mount-table.js';
import { holderOfSeen, type Seen } from '../seen.js';
import type { Lost } from './found.js';
import { findHeldByName } from './held-by-name.js';
import type { Carrier } from './inside.js';
import { findNames, type SearchBudget } from './names.js';

/** The look of the gate has the same: native/gate/look/mounts.c. */
const shmPath = Buffer.from('/dev/shm');
const shmFilesystem = 'tmpfs';
/** Any holder leads to the file. A thousand processes may share it, and the manifest has to stay small. */
const mostHolders = 8;
const none: ReadonlySet<bigint> = new Set();

export class NamedFiles {
  readonly #found = new Map<string, Ghost>();
  /** Why a file cannot be copied; all others are copied. */
  readonly #whyNot = new Map<Ghost, string>();

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
      if (errnoOf(error) === undefined) throw error;
    }
  }

  /** @param ghosts of this search: a file that is a ghost as well comes back as one */
  finish(
    ghosts: readonly Ghost[],
    budget: SearchBudget,
    carriers: readonly Carrier[],
  ): { named: Ghost[]; lost: Lost[] } {
    const [named, lost]: [Ghost[], Lost[]] = [[], []];
    const onShm = carriers.filter(({ pid }) => this.#devicesFor(pid).size > 0);
    if (this.#found.size === 0 && onShm.length === 0) return { named, lost };
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
    const { bound, watches, unknown } = findHeldByName(this.processes, onShm, sharedBy, shmPath);
    const back = new Set([...named, ...ghosts].map(({ stat }) => `${stat.dev}/${stat.ino}`));
    const away = watches.filter(({ stat }) => !back.has(`${stat.dev}/${stat.ino}`));
    const others = [...bound, ...unknown, ...away.filter(watch => !this.#isShmItself(watch, ours))];
    return { named, lost: [...lost, ...others] };
  }

  /**
   * Is the folder /dev/shm itself watched? It is there in every pod. We look at it where the host has it,
   * because a path of the container may lead over a server that is frozen with it.
   */
  #isShmItself({ stat, holder }: Lost, ours: readonly Mount[]): boolean {
    const self = this.processes.self();
    try {
      const mounts = this.processes
        .mounts(holder?.pid ?? self)
        .filter(({ dev, mountPoint }) => dev === stat.dev && mountPoint.equals(shmPath));
      return mounts.some(theirs =>
        ours.some(({ dev, root, mountPoint }) => {
          const [whole, part] = [belowRoot(root), belowRoot(theirs.root)];
          if (dev !== stat.dev || !part.subarray(0, whole.length).equals(whole)) return false;
          const path = Buffer.concat([mountPoint, part.subarray(whole.length)]);
          return this.processes.statInRoot(self, path)?.ino === stat.ino;
        }),
      );
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }

  /** Has the process the same mounts as we? Then it is in no container. */
  #seesOurs(pid: number): boolean {
    return this.processes.mountNamespace(pid) === this.processes.mountNamespace(this.processes.self());
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
      if (errnoOf(error) === undefined) throw error;
      return new Set();
    }
  }
}

const belowRoot = (root: Buffer = Buffer.from('/')) => (root.length === 1 ? Buffer.alloc(0) : root);

const showPoint = ({ mountPoint }: GhostMount) => mountPoint?.toString('utf8') ?? 'an unknown mount';

/** @param target as the kernel shows its path */
function whyLost(mode: number, target: Buffer): string | undefined {
  if (isDirectory(mode)) return 'the folder is not there in another pod';
  if (!isRegular(mode)) return `it is ${kindName(mode) ?? 'a socket'}, of which nothing can be copied`;
  return looksDeleted(target) ? 'its name ends with " (deleted)", which CRIU cuts off' : undefined;
}

/**
 * Find the ghosts of processes: stat through every descriptor, mapping, exe, cwd and root. Nothing is opened
 * that is not a regular file already known to be a ghost, and no path of the container is followed outside
 * its root.
 */

import type { Unseen } from '../../base/documents/generated/scan.js';
import { errnoOf } from '../../base/errors.js';
import { isBlockDevice, kindName } from '../../base/host/file-type.js';
import type { FdLook, FileMap, FileStat, ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import type { Ghost, GhostClass, Holder } from '../ghost.js';
import { MountTable } from '../mounts/mount-table.js';
import { OnServers } from '../mounts/on-servers.js';
import { holderOfSeen, type Seen } from '../seen.js';
import { classify } from './classify.js';
import type { Carrier, OpenDevice } from './inside.js';
import { decideKeep } from './keep.js';
import { SearchBudget } from './names.js';
import { OpenFiles } from './open-files.js';
import { type UnseenInSearch, UnseenList } from './unseen.js';

export interface Found {
  ghosts: Ghost[];
  unseen: UnseenInSearch[];
  /** Of holders: threads with a table of descriptors of their own. */
  apart: ReadonlySet<number>;
  /** A process that was searched may serve a FUSE file system. */
  servesFuse: boolean;
  /** Where files may be that no descriptor leads to: lookInside looks. */
  carriers: readonly Carrier[];
  devices: readonly OpenDevice[];
  /** Shared memory that could not be looked at. */
  memory: readonly Unseen[];
}

/** A reason to leave out what vanished: processes end and descriptors close while we look. */
const gone = new Set(['ENOENT', 'ESRCH', 'EBADF']);
/** One refusal stands for all descriptors, or all mappings, of the process. */
const forbidden = new Set(['EACCES', 'EPERM']);

/**
 * @param alive called at every process, descriptor, mapping and ghost: a million of them take longer than
 * whoever waits for a sign of life may wait
 */
export function findGhosts(processes: ProcessView, pids: readonly number[], alive = () => {}): Found {
  const search = new Search(processes, alive);
  processes.inTurn(pids, () => {
    for (const pid of pids) search.process(pid);
  });
  const ghosts = search.finish();
  const { unseen, apart, servesFuse, carriers, devices } = search;
  return { ghosts, unseen: unseen.all, apart, servesFuse, carriers, devices, memory: unseen.memory };
}

class Search {
  readonly apart = new Set<number>();
  readonly carriers: Carrier[] = [];
  readonly devices: OpenDevice[] = [];
  /** By device and number; more than one only where a server gave a number out again. */
  readonly #ghosts = new Map<string, Ghost[]>();
  readonly #files = new OpenFiles();
  readonly #liveMaps = new Set<string>();
  readonly #pids: number[] = [];
  readonly #mounts: MountTable;
  readonly #onServers: OnServers;
  readonly unseen: UnseenList;

  constructor(
    private readonly processes: ProcessView,
    private readonly alive: () => void,
  ) {
    this.#mounts = new MountTable(processes);
    this.#onServers = new OnServers(processes);
    this.unseen = new UnseenList(processes);
  }

  process(pid: number): void {
    this.#pids.push(pid);
    if (!this.#holder(pid)) return;
    this.#guard(pid, 'task', () => {
      for (const tid of this.processes.threadsApart(pid)) {
        this.apart.add(tid);
        this.#holder(tid);
      }
    });
  }

  /** A process, or a thread apart. @returns false where it refuses to be looked at */
  #holder(pid: number): boolean {
    this.alive();
    const mayLook = this.#guard(pid, 'fd', () => this.#descriptors(pid));
    this.#guard(pid, 'map_files', () => this.#mappings(pid));
    for (const via of ['exe', 'cwd', 'root'] as const) this.#guard(pid, via, () => this.#link(pid, via));
    return mayLook;
  }

  get servesFuse(): boolean {
    return this.#files.servesFuse;
  }

  finish(): Ghost[] {
    this.#onServers.askAll(this.#files.servesFuse, this.alive, {
      answered: (seen, { stat, magic }) => this.#judge({ ...seen, stat: { ...seen.stat, ...stat } }, magic),
      remembered: seen => this.#judge(seen),
      failed: (seen, error) => this.#unseenOnServer(seen, error),
    });
    this.#mounts.locateAll(this.#pids, this.#files.servesFuse || this.#onServers.areSilent);
    const ghosts = [...this.#ghosts.values()].flat();
    this.#files.index(new Set(ghosts.map(ghost => ghost.stat.ino)));
    const budget = new SearchBudget();
    for (const ghost of ghosts) {
      this.alive();
      decideKeep(ghost, this.#files, this.#mounts, this.processes, budget);
    }
    this.unseen.resolveMaps(ghosts);
    return ghosts;
  }

  #descriptors(pid: number): void {
    const { suspects, carriers, others } = this.processes.openFds(pid);
    if (carriers.length > 0) this.carriers.push({ pid, fds: carriers });
    this.#files.addAll(pid, others);
    const refused: (() => void)[] = [];
    for (const look of this.processes.lookAt(pid, suspects)) {
      if ('error' in look && forbidden.has(errnoOf(look.error) ?? '')) {
        const miss = () => this.unseen.add(pid, `fd ${look.fd}`, look.error, `fd/${look.fd}`);
        // Where everything is refused one line says so.
        if (refused.push(miss) === suspects.length && others.length + carriers.length === 0) throw look.error;
        continue;
      }
      this.#entry(pid, `fd ${look.fd}`, `fd/${look.fd}`, () => {
        if ('error' in look) throw look.error;
        if (isBlockDevice(look.stat.mode)) this.devices.push({ pid, fd: look.fd, rdev: look.stat.rdev });
        // fdinfo has the mount also where statx(2) does not tell it.
        const stat = { ...look.stat, mountId: look.info.mountId };
        this.#see({ pid, what: `fd ${look.fd}`, link: `fd/${look.fd}`, stat, look });
      });
    }
    for (const miss of refused) miss();
  }

  #mappings(pid: number): void {
    const maps = this.processes.maps(pid);
    try {
      this.#mapFiles(pid, maps);
    } catch (error) {
      if (!forbidden.has(errnoOf(error) ?? '')) throw error;
      this.unseen.addUnreadMaps(pid, maps, error);
    }
  }

  #mapFiles(pid: number, maps: readonly FileMap[]): void {
    for (const map of maps) {
      if (this.#liveMaps.has(map.label)) continue;
      const link = `map_files/${map.address}`;
      this.#entry(pid, `map_files ${map.address}`, link, () => {
        const stat = this.processes.stat(pid, link);
        if (!this.#see({ pid, what: `map_files ${map.address}`, link, stat, map }))
          this.#liveMaps.add(map.label);
      });
    }
  }

  #link(pid: number, via: 'exe' | 'cwd' | 'root'): void {
    this.#see({ pid, what: via, link: via, stat: this.processes.stat(pid, via), via });
  }

  /** @returns false for what is no ghost, for all we know */
  #see(seen: Seen): boolean {
    return this.#onServers.take(seen) || this.#judge(seen);
  }

  #judge(seen: Seen, magic?: bigint): boolean {
    const { pid, link, stat, look } = seen;
    const ghostClass = this.#classify(pid, link, stat, look?.target, magic);
    if (ghostClass) this.#add(ghostClass, stat, holderOfSeen(seen), look);
    return ghostClass !== undefined;
  }

  #classify(
    pid: number,
    link: string,
    stat: FileStat,
    target?: Buffer,
    magic?: bigint,
  ): GhostClass | undefined {
    if (!kindName(stat.mode)) return undefined;
    this.#files.add(pid, link, stat);
    return classify(this.processes, pid, link, stat, target, magic === undefined ? undefined : () => magic);
  }

  /** The same inode through several holders, processes and mounts is one ghost. */
  #add(ghostClass: GhostClass, stat: FileStat, holder: Holder, look?: FdLook): void {
    const pair = `${stat.dev}/${stat.ino}`;
    const known = this.#ghosts.get(pair) ?? [];
    let ghost = known.find(other => isSameInode(other.stat, stat));
    if (!ghost) {
      ghost = {
        class: ghostClass,
        stat,
        filesystem: 'unknown',
        mounts: [],
        holders: [],
        keep: 'ghostkeep',
        why: '',
      };
      this.#ghosts.set(pair, [...known, ghost]);
    }
    ghost.holders.push(holder);
    this.#mounts.attach(ghost, holder, look?.info.mountId, look?.target);
  }

  /** One of many: it may vanish, or be unreadable for its own reasons; what goes for all ends the list. */
  #entry(pid: number, what: string, link: string, look: () => void): void {
    this.alive();
    try {
      look();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || forbidden.has(errno)) throw error;
      if (!gone.has(errno)) this.unseen.add(pid, what, error, link);
      else if (this.#hasNoFile(pid, link)) this.unseen.add(pid, what, error);
    }
  }

  /**
   * LINK is there and leads nowhere: its file server has removed the file, which whoever has it open may
   * still read.
   */
  #hasNoFile(pid: number, link: string): boolean {
    try {
      this.processes.stat(pid, link);
      // Closed when we looked first, and another file has its number by now.
      return false;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      if (errnoOf(error) !== 'ENOENT') return false;
    }
    try {
      this.processes.readLink(pid, link);
      return true;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }

  /**
   * ENOENT from a server is no descriptor that was closed meanwhile: another client has removed the last
   * name, and the server only has what the holder opened. The name that the kernel still shows says nothing
   * then, nor where it knows of no name.
   */
  #unseenOnServer(seen: Seen, error: unknown): void {
    const { pid, what, link, stat } = seen;
    const hasNoName = gone.has(errnoOf(error) ?? '');
    if (hasNoName && !this.#isStillHeld(seen)) return;
    this.unseen.add(pid, what, error, hasNoName || stat.nlink === 0 ? undefined : link);
  }

  #isStillHeld({ pid, link, stat }: Seen): boolean {
    try {
      return isSameInode(this.processes.stat(pid, link), stat);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }

  /**
   * Failing to see something is an outcome, never the end of a search.
   * @returns false where it was refused
   */
  #guard(pid: number, what: string, look: () => void): boolean {
    try {
      look();
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      const hasEnded = gone.has(errno) || (what === 'fd' && this.#hasNoProgram(pid));
      // Without its descriptors a process is gone; a kernel thread has no exe, and that is no news.
      if (hasEnded && what === 'fd') this.unseen.addEnded(pid, error);
      else if (!hasEnded) this.unseen.add(pid, what, error, what === 'exe' ? 'exe' : undefined);
      return hasEnded;
    }
  }

  /** A zombie's descriptors are root's to list, and it has none. */
  #hasNoProgram(pid: number): boolean {
    try {
      this.processes.readLink(pid, 'exe');
      return false;
    } catch (error) {
      return gone.has(errnoOf(error) ?? '');
    }
  }
}

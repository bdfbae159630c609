/**
 * Find the ghosts of processes: stat through every descriptor, mapping, exe, cwd and root. Only a regular
 * file that is already known to be a ghost is opened, and no path of the container is followed outside its
 * root.
 */

import { errnoOf } from '../../base/errors.js';
import { isBlockDevice, kindName } from '../../base/host/file-type.js';
import type { FdLook, FileMap, FileStat, ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import type { Ghost, GhostClass, Holder } from '../ghost.js';
import { MountTable } from '../mounts/mount-table.js';
import { OnServers } from '../mounts/on-servers.js';
import { holderOfSeen, type Seen } from '../seen.js';
import { classify } from './classify.js';
import type { Found } from './found.js';
import type { Carrier, OpenDevice } from './inside.js';
import { decideKeep } from './keep.js';
import { NamedFiles, noneClosed } from './named.js';
import { SearchBudget } from './names.js';
import { OpenFiles } from './open-files.js';
import { UnseenList } from './unseen.js';

export type { Found };

/** Errors for files that vanish when processes end or close descriptors. We leave these out. */
const gone = new Set(['ENOENT', 'ESRCH', 'EBADF']);
/** One such refusal stands for all descriptors, or all mappings, of the process. */
const forbidden = new Set(['EACCES', 'EPERM']);
/** CRIU sees what is behind too many mappings or mounts, but copies no file of a shared /dev/shm. */
const tooLong = 'EFBIG';

/**
 * @param alive called at every process, descriptor, mapping and ghost, because looking at a million of them
 * takes longer than a caller may wait for a sign of life; given the pid at a process or thread
 * @param wanted.named look for the files of a shared /dev/shm, too, which a checkpoint by CRIU needs
 */
export function findGhosts(
  processes: ProcessView,
  pids: readonly number[],
  alive: (at?: number) => void = () => {},
  wanted: { named?: boolean } = {},
): Found {
  const search = new Search(processes, alive, wanted.named ?? false);
  processes.inTurn(pids, () => {
    for (const pid of pids) search.process(pid);
  });
  const found = search.finish();
  const { unseen, apart, servesFuse, carriers, devices } = search;
  return { ...found, unseen: unseen.all, apart, servesFuse, carriers, devices, memory: unseen.memory };
}

class Search {
  readonly apart = new Set<number>();
  readonly carriers: Carrier[] = [];
  readonly devices: OpenDevice[] = [];
  /** By device and inode number. A list has more than one only if a server gave out a number again. */
  readonly #ghosts = new Map<string, Ghost[]>();
  readonly #files = new OpenFiles();
  readonly #liveMaps = new Set<string>();
  readonly #pids: number[] = [];
  readonly #mounts: MountTable;
  readonly #onServers: OnServers;
  readonly #named: NamedFiles | undefined;
  readonly unseen: UnseenList;

  constructor(
    private readonly processes: ProcessView,
    private readonly alive: (at?: number) => void,
    named: boolean,
  ) {
    this.#mounts = new MountTable(processes);
    this.#named = named ? new NamedFiles(processes, this.#mounts) : undefined;
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

  /** @param pid of a process or a thread apart. @returns false where the kernel refuses a look at it */
  #holder(pid: number): boolean {
    this.alive(pid);
    const mayLook = this.#guard(pid, 'fd', () => this.#descriptors(pid));
    this.#guard(pid, 'map_files', () => this.#mappings(pid));
    for (const via of ['exe', 'cwd', 'root'] as const) this.#guard(pid, via, () => this.#link(pid, via));
    return mayLook;
  }

  get servesFuse(): boolean {
    return this.#files.servesFuse;
  }

  finish(): Pick<Found, 'ghosts' | 'named' | 'lost' | 'closed'> {
    this.#onServers.askAll(this.#files.servesFuse, this.alive, {
      answered: (seen, { stat, magic }) => this.#judge({ ...seen, stat: { ...seen.stat, ...stat } }, magic),
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
    const named = this.#named?.finish(ghosts, budget, this.carriers);
    return { ghosts, ...(named ?? { named: [], lost: [], closed: noneClosed }) };
  }

  #descriptors(pid: number): void {
    const { suspects, carriers, others } = this.processes.openFds(pid);
    if (carriers.length > 0) this.carriers.push({ pid, fds: carriers });
    this.#files.addAll(pid, others);
    const refused: (() => void)[] = [];
    for (const look of this.processes.lookAt(pid, suspects)) {
      if ('error' in look && forbidden.has(errnoOf(look.error) ?? '')) {
        const miss = () => this.unseen.add(pid, `fd ${look.fd}`, look.error, `fd/${look.fd}`);
        // If all descriptors are refused, one line in `unseen` says so.
        if (refused.push(miss) === suspects.length && others.length + carriers.length === 0) throw look.error;
        continue;
      }
      this.#entry(pid, `fd ${look.fd}`, `fd/${look.fd}`, () => {
        if ('error' in look) throw look.error;
        if (isBlockDevice(look.stat.mode)) this.devices.push({ pid, fd: look.fd, rdev: look.stat.rdev });
        // fdinfo tells the mount even where statx(2) does not.
        const stat = { ...look.stat, mountId: look.info.mountId };
        this.#see({ pid, what: `fd ${look.fd}`, link: `fd/${look.fd}`, stat, look });
      });
    }
    for (const miss of refused) miss();
    this.#named?.descriptors(pid, others);
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
        if (!kindName(stat.mode)) this.unseen.addUntyped(pid, map);
        if (!this.#see({ pid, what: `map_files ${map.address}`, link, stat, map }))
          this.#liveMaps.add(map.label);
      });
    }
  }

  #link(pid: number, via: 'exe' | 'cwd' | 'root'): void {
    this.#see({ pid, what: via, link: via, stat: this.processes.stat(pid, via), via });
  }

  /** @returns false where we know of no reason why this file is a ghost */
  #see(seen: Seen): boolean {
    return this.#onServers.take(seen) || this.#judge(seen);
  }

  #judge(seen: Seen, magic?: bigint): boolean {
    const { pid, link, stat, look } = seen;
    const ghostClass = this.#classify(pid, link, stat, look?.target, magic);
    if (ghostClass) this.#add(ghostClass, stat, holderOfSeen(seen), look);
    else this.#named?.see(seen);
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

  /** One inode is one ghost, however many holders, processes and mounts it has. */
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

  /** One of many files may vanish or be unreadable. An error that applies to all of them ends the list. */
  #entry(pid: number, what: string, link: string, look: () => void): void {
    this.alive();
    try {
      look();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || forbidden.has(errno) || (errno === tooLong && this.#named)) throw error;
      if (!gone.has(errno)) this.unseen.add(pid, what, error, link);
      else if (this.#hasNoFile(pid, link)) this.unseen.add(pid, what, error);
    }
  }

  /**
   * True where LINK exists and leads nowhere: the file server has removed the file, but a process that has it
   * open may still read it.
   */
  #hasNoFile(pid: number, link: string): boolean {
    try {
      this.processes.stat(pid, link);
      // The descriptor was closed when we looked first, and another file has its number by now.
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
   * ENOENT from a server does not always mean that the descriptor was closed. If it is still open, another
   * client has removed the last name, and the server keeps only what the holder opened. Then the name that
   * the kernel still shows proves nothing; where the link count is 0 there is no name either.
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

  /** Runs LOOK. That it sees nothing is mostly a result. @returns false where the kernel refused it */
  #guard(pid: number, what: string, look: () => void): boolean {
    try {
      look();
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || (errno === tooLong && this.#named)) throw error;
      const hasEnded = gone.has(errno) || (what === 'fd' && this.#hasNoProgram(pid));
      // A process whose descriptors are gone has ended. No missing exe is reported: kernel threads have none.
      if (hasEnded && what === 'fd') this.unseen.addEnded(pid, error);
      else if (!hasEnded) this.unseen.add(pid, what, error, what === 'exe' ? 'exe' : undefined);
      return hasEnded;
    }
  }

  /** True for a zombie: only root may list its descriptors, and it has none. */
  #hasNoProgram(pid: number): boolean {
    try {
      this.processes.readLink(pid, 'exe');
      return false;
    } catch (error) {
      return gone.has(errnoOf(error) ?? '');
    }
  }
}

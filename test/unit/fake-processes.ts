/** An in-memory /proc: processes are declared in a few lines, everything not declared is ENOENT. */

import { mayHaveServer } from '../../src/base/filesystems.js';
import type { FileMap, FileStat, Inode, Mount, OpenFds, ProcessView } from '../../src/base/host/host.js';
import type { IdMaps } from '../../src/base/id-map.js';
import { makeDev, splitDev } from '../../src/base/units.js';
import { errno, type FakeFile, fakeMount, type Opened } from './fake-file.js';
import type { MemoryFiles } from './memory-files.js';

export * from './fake-file.js';

export interface FakeProcess {
  parent?: number;
  uid?: number;
  startTime?: string;
  commandLine?: string[];
  environment?: Record<string, string>;
  tracer?: number;
  cgroups?: string[];
  namespace?: string;
  fds?: Record<number, Opened>;
  maps?: { address: string; opened: Opened; shared?: boolean; writable?: boolean; label?: string }[];
  exe?: Opened;
  cwd?: Opened;
  root?: Opened;
  mounts?: Mount[];
  /** Sockets, io_urings, inotify and fanotify: what their fdinfo says. */
  fdInfo?: Record<number, string>;
  /** The files that sockets are bound to. */
  bound?: Record<number, Opened>;
  /** Threads with descriptors of their own; each is a process here. */
  threadsApart?: number[];
  /** The files that names lead to below the process's root. */
  inRoot?: Record<string, FakeFile>;
  idMaps?: IdMaps;
  /** Errno for a call: `fds`, `maps`, `mounts`, `stat fd/3`, `pin fd/3`, … */
  fails?: Record<string, string>;
}

const ownPid = 999;

export class FakeProcesses implements ProcessView {
  readonly #processes = new Map<number, FakeProcess>();
  /** Pins that were made and not let go. */
  readonly pins = new Map<number, Opened>();
  /** Every link that was opened, as `100 fd/3`. */
  readonly pinned: string[] = [];

  constructor(private readonly files: MemoryFiles) {
    this.add(ownPid, { namespace: 'mnt:[1]', parent: 1, commandLine: ['node'] });
  }

  add(pid: number, process: FakeProcess): this {
    this.#processes.set(pid, { mounts: [fakeMount(30)], ...process });
    return this;
  }

  end(pid: number): void {
    this.#processes.delete(pid);
  }

  #get(pid: number, call?: string): FakeProcess {
    const process = this.#processes.get(pid);
    if (!process) throw errno('ENOENT', `/proc/${pid}`);
    const failure = call === undefined ? undefined : process.fails?.[call];
    if (failure) throw errno(failure, `/proc/${pid} ${call}`);
    return process;
  }

  #open(pid: number, link: string, call?: string): Opened {
    const process = this.#get(pid, call && `${call} ${link}`);
    const [kind, rest = ''] = link.split('/');
    const found =
      kind === 'fd'
        ? (process.fds?.[Number(rest)] ?? (pid === ownPid ? this.pins.get(Number(rest)) : undefined))
        : kind === 'map_files'
          ? process.maps?.find(({ address }) => address === rest)?.opened
          : process[link as 'exe' | 'cwd' | 'root'];
    if (!found) throw errno('ENOENT', `/proc/${pid}/${link}`);
    return found;
  }

  /** Processes that are stopped. */
  paused = new Set<number>();
  isPaused = (pid: number) => this.paused.has(pid);
  listPids = () => [...this.#processes.keys()].sort((a, b) => a - b);
  tree(pid: number): number[] {
    const found = [pid];
    for (const parent of found)
      for (const [child, process] of this.#processes) if (process.parent === parent) found.push(child);
    return found;
  }
  cgroupsOf = (pid: number) => this.#get(pid, 'cgroupsOf').cgroups ?? ['/'];
  startTime = (pid: number) => this.#get(pid).startTime ?? `${pid}00`;
  uid = (pid: number) => this.#get(pid, 'uid').uid ?? 0;
  /** The pids that listen, by socket. */
  readonly listeners = new Map<string, number>();
  boundAt(pid: number, fd: number) {
    const found = this.#get(pid, `boundAt ${fd}`).bound?.[fd];
    return found && { path: found.name, stat: found.file.stat };
  }
  listener(socket: string): number {
    const pid = this.listeners.get(socket);
    if (pid === undefined) throw errno('ECONNREFUSED', `connect ${socket}`);
    return pid;
  }
  tracer = (pid: number) => this.#get(pid).tracer ?? 0;
  environment = (pid: number, name: string) => this.#get(pid).environment?.[name];
  commandName = (pid: number) => this.#get(pid, 'commandName').commandLine?.[0] ?? 'fake';
  hidden: string | undefined;
  hidesProcesses = () => this.hidden;
  commandLine = (pid: number) => this.#get(pid).commandLine ?? [];
  /** The private memory of processes, by pid. */
  readonly memory = new Map<number, bigint>();
  privateMemory = (pid: number) => this.memory.get(pid) ?? 0n;
  parent = (pid: number) => this.#get(pid).parent ?? 1;
  fds = (pid: number) => Object.keys(this.#get(pid, 'fds').fds ?? {}).map(Number);
  /** Keeps the promises that ghostkeep.h makes for gk_open_files. */
  inTurn<T>(_pids: readonly number[], look: () => T): T {
    return look();
  }

  threadsApart = (pid: number) => this.#get(pid, 'threadsApart').threadsApart ?? [];

  openFds(pid: number): OpenFds {
    const suspects: number[] = [];
    const others: bigint[] = [];
    for (const fd of this.fds(pid)) {
      const { file, name, mount } = this.#open(pid, `fd/${fd}`);
      const { nlink, mode, dev, ino } = file.stat;
      const unseen =
        name.length > 4095 ||
        this.#get(pid).fails?.[`stat fd/${fd}`] ||
        this.#get(pid).fails?.[`readLink fd/${fd}`];
      const lost = / \(deleted\)$|\/\.(nfs|fuse_hidden|ghost-ntfs-3g-|__afs|__smbfile_silly)[^/]*$/is.test(
        name.toString('latin1'),
      );
      const isDevice = [0o020000, 0o060000].includes(mode & 0o170000);
      const isOnServer = this.isOnServer({ ...file.stat, mountId: mount });
      if (unseen || isOnServer || nlink === 0 || lost || isDevice) suspects.push(fd);
      else others.push(BigInt(fd), dev, ino);
    }
    const carriers = Object.keys(this.#get(pid).fdInfo ?? {}).map(Number);
    return { suspects, carriers, others: BigUint64Array.from(others) };
  }

  /** Every fdinfo that was read, as `100 fd/3`. */
  readonly fdInfosRead: string[] = [];
  fdInfo(pid: number, fd: number, limit: number): string {
    this.fdInfosRead.push(`${pid} fd/${fd}`);
    const text = this.#get(pid, `fdInfo ${fd}`).fdInfo?.[fd];
    if (text === undefined) throw errno('ENOENT', `/proc/${pid}/fdinfo/${fd}`);
    return text.slice(0, limit);
  }

  /** The paths of the files behind loop devices, by device number. */
  readonly backingFiles = new Map<bigint, Buffer>();
  backingFile = (rdev: bigint) => this.backingFiles.get(rdev);
  writableShared = (pid: number) => this.maps(pid).filter(({ writable, shared }) => writable && shared);

  maps = (pid: number): FileMap[] =>
    (this.#get(pid, 'maps').maps ?? []).map(({ address, opened: { file, name }, ...map }) => ({
      address,
      shared: map.shared ?? true,
      writable: map.writable ?? true,
      label: map.label ?? `${showHexDev(file.stat.dev)} ${file.stat.ino} ${name.toString('latin1')}`,
    }));
  lookAt(pid: number, fds: readonly number[]) {
    return fds.map(fd => {
      try {
        const { mount, flags, position } = this.#open(pid, `fd/${fd}`, 'fdInfo');
        const isLong = this.#isLong(pid, `fd/${fd}`);
        return {
          fd,
          stat: this.stat(pid, `fd/${fd}`),
          ...(isLong ? {} : { target: this.readLink(pid, `fd/${fd}`) }),
          info: { mountId: mount, flags, position },
        };
      } catch (error) {
        return { fd, error: error as Error };
      }
    });
  }
  mounts = (pid: number) => this.#get(pid, 'mounts').mounts ?? [];
  mountNamespace = (pid: number) => this.#get(pid, 'mountNamespace').namespace ?? 'mnt:[2]';
  idMaps = (pid: number) => this.#get(pid).idMaps ?? { uid: '0 0 4294967295', gid: '0 0 4294967295' };
  stat(pid: number, link: string): FileStat {
    const { file, mount } = this.#open(pid, link, 'stat');
    return { ...file.stat, mountId: mount };
  }
  readLink(pid: number, link: string): Buffer {
    // A process for which no root is declared has the root of the namespace.
    if (link === 'root' && !this.#get(pid).root) return Buffer.from('/');
    const [kind, fd = ''] = link.split('/');
    const info = kind === 'fd' ? this.#get(pid).fdInfo?.[Number(fd)] : undefined;
    if (info?.startsWith('inotify')) return Buffer.from('anon_inode:inotify');
    if (info?.startsWith('fanotify')) return Buffer.from('anon_inode:[fanotify]');
    if (info !== undefined) return Buffer.from(`socket:[${fd}]`);
    if (this.#isLong(pid, link)) throw errno('ENAMETOOLONG', link);
    return this.#open(pid, link, 'readLink').name;
  }
  #isLong = (pid: number, link: string) => this.#open(pid, link).name.length > 4095;
  /** Mounts whose server is silent. */
  silent = new Set<number>();
  /** Attributes that a server knows by now, and the kernel does not yet. */
  onServer = new Map<FakeFile, Partial<FileStat>>();
  isOnServer({ mountId = 30 }: FileStat): boolean {
    const mounts = [...this.#processes.values()].flatMap(process => process.mounts ?? []);
    const mount = mounts.find(({ id }) => id === mountId);
    return mount !== undefined && mayHaveServer(mount.filesystem);
  }
  askServers(_mountId: number, links: readonly { pid: number; link: string }[]) {
    return links.map(({ pid, link }) => {
      const { file, mount } = this.#open(pid, link);
      if (this.silent.has(mount)) return undefined;
      return { stat: { ...file.stat, ...this.onServer.get(file) }, magic: file.magic };
    });
  }
  longPath = (pid: number, link: string) => this.#open(pid, link, 'longPath').name;
  filesystemMagic = (pid: number, link: string) => this.#open(pid, link).file.magic;
  statInRoot = (pid: number, path: Buffer) => this.#get(pid).inRoot?.[path.toString('latin1')]?.stat;
  namesOf(pid: number, _mountPoint: Buffer, { dev, ino }: { dev: bigint; ino: bigint }) {
    const names = Object.entries(this.#get(pid, 'namesOf').inRoot ?? {})
      .filter(([, { stat }]) => stat.dev === dev && stat.ino === ino)
      .map(([name]) => Buffer.from(name, 'latin1'));
    return { names, complete: true, looked: names.length };
  }
  filesIn(pid: number, folder: Buffer, limit: number) {
    const { inRoot = {} } = this.#get(pid, 'filesIn');
    const at = folder.toString('latin1');
    const files = Object.entries(inRoot)
      .filter(([name]) => name === at || name.startsWith(`${at}/`))
      .map(([name, { stat }]) => ({ path: Buffer.from(name, 'latin1'), stat }));
    return { files: files.slice(0, limit), complete: inRoot[at] !== undefined && files.length <= limit };
  }
  /** The questions to findHolders. */
  sought: { pids: readonly number[]; files: readonly Inode[] }[] = [];
  /** If true, the time of findHolders is up before it has looked at anything. */
  isTimeUp = false;
  findHolders(pids: readonly number[], files: readonly Inode[], _waitMs: number) {
    this.sought.push({ pids, files });
    const holders = files.map(({ dev, ino }) =>
      this.isTimeUp ? undefined : pids.find(pid => this.#holds(pid, dev, ino)),
    );
    return { holders, complete: !this.isTimeUp };
  }
  #holds(pid: number, dev: bigint, ino: bigint): boolean {
    const { fds = {}, maps = [], cwd } = this.#get(pid);
    const held = [...Object.values(fds), ...maps.map(({ opened }) => opened), ...(cwd ? [cwd] : [])];
    return held.some(({ file: { stat } }) => stat.dev === dev && stat.ino === ino);
  }
  /** Every folder exists, unless a file was declared in its place. */
  areFree(pid: number, _mountId: number, _mountPoint: Buffer, folder: Buffer, names: readonly Buffer[]) {
    const { inRoot = {} } = this.#get(pid, 'areFree');
    const at = folder.toString('latin1');
    return names.map(name => !inRoot[at] && !inRoot[`${at}/${name.toString('latin1')}`]);
  }
  pin(pid: number, link: string, writable = false): number {
    const found = this.#open(pid, link, writable ? 'pin writable' : 'pin');
    this.pinned.push(`${pid} ${link}${writable ? ' writable' : ''}`);
    const fd = this.files.openContent(found.file);
    this.pins.set(fd, found);
    return fd;
  }
  pinAll(links: readonly { pid: number; link: string }[]) {
    return links.map(({ pid, link }) => {
      try {
        const fd = this.pin(pid, link);
        return { fd, stat: this.statPin(fd), inodeFlags: 0, hasXattrs: true };
      } catch (error) {
        return { error: error as Error };
      }
    });
  }
  unpin(fd: number): void {
    if (!this.pins.delete(fd)) throw errno('EBADF', `unpin ${fd}`);
  }
  statPin(fd: number): FileStat {
    const found = this.pins.get(fd);
    if (!found) throw errno('EBADF', `statPin ${fd}`);
    return found.file.stat;
  }
  mountThrough = (pid: number, link: string) => this.#open(pid, link, 'mountThrough').mount;
  sharedMemoryDev = () => makeDev(0n, 1n);
  self = () => ownPid;
}

/** A device number as maps shows it. */
function showHexDev(dev: bigint): string {
  const { major, minor } = splitDev(dev);
  return `${major.toString(16)}:${minor.toString(16)}`;
}

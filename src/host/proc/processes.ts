import fs from 'node:fs';
import { silentServer } from '../../base/errors.js';
import type {
  FileMap,
  FileStat,
  Identity,
  Memory,
  Mount,
  OpenFds,
  ProcessView,
} from '../../base/host/host.js';
import type { IdMaps } from '../../base/id-map.js';
import { findHolders } from '../engine/find-holders.js';
import { pinAll } from '../engine/pin-all.js';
import { pathOnly } from '../files/open-regular.js';
import { answersInRoot, askServers } from '../native/ask-servers.js';
import { openInRoot } from '../native/call.js';
import { devOfMemfd, listenerOn } from '../native/libc.js';
import { lookAt } from '../native/look-at.js';
import { OpenFdsAhead, readOpenFds, threadsApart } from '../native/open-fds.js';
import { Patience } from '../native/patience.js';
import { statCached, toFileStat } from '../native/stat.js';
import { close } from '../pin/borrow.js';
import { openToPin } from '../pin/open-to-pin.js';
import { areFree } from './are-free.js';
import { boundAt, readBackingFile, readFdInfo } from './inside.js';
import { LocalMounts } from './local-mounts.js';
import { mappedPath } from './mapped-path.js';
import { parseMaps, parseWritableShared } from './maps.js';
import { hidingOption, parseMountinfo } from './mountinfo.js';
import { readProc, readWords } from './read-proc.js';
import { filesIn, namesOf } from './search-mount.js';
import { numbers, privateMemory, standsStill, statFields, statusField, treeOf } from './tasks.js';

const { O_RDONLY } = fs.constants;

/** Reads /proc synchronously: the kernel answers from memory, and a promise costs more than the read. */
export class LinuxProcesses implements ProcessView {
  #ahead: OpenFdsAhead | undefined;
  #sharedMemoryDev: bigint | undefined;
  #local = new LocalMounts(this, []);
  readonly findHolders = findHolders;
  readonly threadsApart = threadsApart;
  readonly #patience = new Patience();
  /**
   * Says for each mount of a server (FUSE or network) that we met on a path since inTurn() began whether that
   * server answered, so that each is asked only once.
   */
  readonly #met = new Map<number, boolean>();

  listPids(): number[] {
    return numbers(fs.readdirSync('/proc'));
  }

  tree = treeOf;

  /** Source: cgroups(7): hierarchy-id:controllers:path */
  cgroupsOf(pid: number): string[] {
    const lines = fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
    return lines.map(line => line.split(':').slice(2).join(':'));
  }

  isPaused(pid: number): boolean {
    try {
      const tids = fs.readdirSync(`/proc/${pid}/task`);
      return tids.length > 0 && tids.every(tid => standsStill(`/proc/${pid}/task/${tid}`));
    } catch {
      return false;
    }
  }

  startTime(pid: number): string {
    return statFields(`/proc/${pid}`)[19] ?? '0';
  }

  parent(pid: number): number {
    return Number(statFields(`/proc/${pid}`)[1]);
  }

  tracer(pid: number): number {
    return statusField(pid, 'TracerPid');
  }

  uid(pid: number): number {
    return statusField(pid, 'Uid');
  }

  privateMemory(pid: number): bigint {
    return privateMemory(pid);
  }

  listener(socket: string): number {
    return listenerOn(socket);
  }

  commandLine(pid: number): string[] {
    return readWords(`/proc/${pid}/cmdline`).slice(0, -1);
  }

  commandName(pid: number): string {
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').replace(/\n$/, '');
  }

  hidesProcesses(): string | undefined {
    return hidingOption(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
  }

  environment(pid: number, name: string): string | undefined {
    return readWords(`/proc/${pid}/environ`)
      .find(variable => variable.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  }

  fds(pid: number): number[] {
    return numbers(fs.readdirSync(`/proc/${pid}/fd`));
  }

  openFds(pid: number, presumed?: readonly number[]): OpenFds {
    return this.#ahead?.take(pid) ?? readOpenFds(`/proc/${pid}/fd`, this.#local.ids, presumed);
  }

  inTurn<T>(pids: readonly number[], look: () => T): T {
    this.#local = new LocalMounts(this, pids);
    this.#met.clear();
    this.#ahead = new OpenFdsAhead(pids, this.#local.ids);
    try {
      return look();
    } finally {
      this.#ahead.end();
      this.#ahead = undefined;
    }
  }

  maps(pid: number): FileMap[] {
    return parseMaps(readProc(`/proc/${pid}/maps`));
  }

  writableShared(pid: number): FileMap[] {
    return parseWritableShared(readProc(`/proc/${pid}/maps`));
  }

  boundAt(pid: number, fd: number) {
    return boundAt(pid, fd);
  }

  fdInfo(pid: number, fd: number, limit: number): string {
    return readFdInfo(pid, fd, limit);
  }

  backingFile(rdev: bigint): Buffer | undefined {
    return readBackingFile(rdev);
  }

  lookAt(pid: number, fds: readonly number[], memory?: Memory) {
    return lookAt(`/proc/${pid}`, fds, memory);
  }

  mounts(pid: number): Mount[] {
    // Only root of the host decides about our own mounts.
    const most = pid === this.self() ? Number.POSITIVE_INFINITY : undefined;
    return parseMountinfo(readProc(`/proc/${pid}/mountinfo`, most));
  }

  mountNamespace(pid: number): string {
    return fs.readlinkSync(`/proc/${pid}/ns/mnt`);
  }

  idMaps(pid: number): IdMaps {
    return {
      uid: fs.readFileSync(`/proc/${pid}/uid_map`, 'latin1'),
      gid: fs.readFileSync(`/proc/${pid}/gid_map`, 'latin1'),
    };
  }

  stat(pid: number, link: string): FileStat {
    return statCached(`/proc/${pid}/${link}`);
  }

  isOnServer({ mountId = 0 }: FileStat): boolean {
    return !this.#local.has(mountId);
  }

  askServers(mountId: number, links: readonly { pid: number; link: string }[]) {
    const paths = links.map(({ pid, link }) => `/proc/${pid}/${link}`);
    const answers = askServers(paths, this.#patience.waitMs(mountId));
    this.#patience.note(mountId, !answers.includes(undefined));
    return answers;
  }

  /**
   * Refuses a path that leads over the mount of a dead server, because we would wait for that server.
   * @throws ETIMEDOUT
   */
  #assertReachable(pid: number, path: Buffer): void {
    for (const { id, mountPoint, filesystem } of this.#local.serversOn(pid, path)) {
      const answers =
        this.#met.get(id) ?? answersInRoot(`/proc/${pid}/root`, mountPoint, this.#patience.waitMs(id));
      this.#met.set(id, answers);
      this.#patience.note(id, answers);
      if (!answers) throw silentServer(mountPoint.toString('utf8'), filesystem);
    }
  }

  readLink(pid: number, link: string): Buffer {
    return fs.readlinkSync(`/proc/${pid}/${link}`, { encoding: 'buffer' });
  }

  longPath(pid: number, link: string): Buffer {
    return mappedPath(`/proc/${pid}/${link}`);
  }

  filesystemMagic(pid: number, link: string): bigint {
    return fs.statfsSync(`/proc/${pid}/${link}`, { bigint: true }).type;
  }

  statInRoot(pid: number, path: Buffer): Identity | undefined {
    this.#assertReachable(pid, path);
    const root = fs.openSync(`/proc/${pid}/root`, O_RDONLY);
    try {
      const fd = openInRoot(root, path);
      if (fd === undefined) return undefined;
      try {
        return toFileStat(fs.fstatSync(fd, { bigint: true }));
      } finally {
        fs.closeSync(fd);
      }
    } finally {
      fs.closeSync(root);
    }
  }

  namesOf(
    pid: number,
    mountPoint: Buffer,
    inode: Identity & { nlink: number },
    near: Buffer,
    limit: number,
  ): { names: Buffer[]; complete: boolean; looked: number } {
    this.#assertReachable(pid, mountPoint);
    return namesOf(`/proc/${pid}/root`, mountPoint, inode, near, limit);
  }

  filesIn(pid: number, folder: Buffer, limit: number) {
    this.#assertReachable(pid, folder);
    return filesIn(`/proc/${pid}/root`, folder, limit);
  }

  areFree(
    pid: number,
    mountId: number,
    mountPoint: Buffer,
    folder: Buffer,
    names: readonly Buffer[],
  ): boolean[] {
    this.#assertReachable(pid, folder);
    return areFree(`/proc/${pid}/root`, mountId, mountPoint, folder, names);
  }

  pin(pid: number, link: string, writable = false): number {
    return openToPin(`/proc/${pid}/${link}`, writable);
  }

  pinAll(links: readonly { pid: number; link: string }[], memory?: Memory) {
    const paths = links.map(({ pid, link }) => `/proc/${pid}/${link}`);
    return pinAll(paths, memory);
  }

  unpin(fd: number): void {
    close(fd);
  }

  statPin(fd: number): FileStat {
    return toFileStat(fs.fstatSync(fd, { bigint: true }));
  }

  mountThrough(pid: number, link: string): number {
    const fd = fs.openSync(`/proc/${pid}/${link}`, pathOnly);
    try {
      return Number(mountIdField.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? 0);
    } finally {
      fs.closeSync(fd);
    }
  }

  sharedMemoryDev(): bigint | undefined {
    this.#sharedMemoryDev ??= devOfMemfd();
    return this.#sharedMemoryDev;
  }

  self(): number {
    return process.pid;
  }
}

/** Source: proc_pid_fdinfo(5) */
const mountIdField = /^mnt_id:\s*(\S+)/m;

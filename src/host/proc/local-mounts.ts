/** Tells which mounts of processes are on this machine alone, and which ones have a server behind them. */
import { errnoOf } from '../../base/errors.js';
import { hasLayers, mayHaveServer } from '../../base/filesystems.js';
import type { Mount } from '../../base/host/host.js';
import { layersOf } from './mountinfo.js';

/** Gives the mounts of processes as /proc shows them. */
export interface MountReader {
  mounts(pid: number): Mount[];
  mountNamespace(pid: number): string;
  readLink(pid: number, link: string): Buffer;
  self(): number;
}

interface Table {
  mounts: readonly Mount[];
  servers: readonly Mount[];
}

export class LocalMounts {
  /** Ids, ascending, of mounts whose files can be read without asking a server. */
  readonly ids: BigUint64Array;
  readonly #ids = new Set<number>();
  /** Keyed by namespace and root: in one namespace, each root sees its own paths. */
  readonly #tables = new Map<string, Table>();
  readonly #byPid = new Map<number, Table>();

  /** @param pids of the processes whose mounts are looked at */
  constructor(
    private readonly reader: MountReader,
    pids: readonly number[],
  ) {
    for (const table of new Set(pids.map(pid => this.#tableOf(pid))))
      for (const mount of table.mounts) if (this.#isLocal(mount, table)) this.#ids.add(mount.id);
    this.ids = BigUint64Array.from([...this.#ids].sort((a, b) => a - b).map(BigInt));
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /**
   * The mounts of servers that the path leads over, outer ones first. PATH is compared with the mount points
   * as text, and nothing is opened.
   */
  serversOn(pid: number, path: Buffer): Mount[] {
    return this.#tableOf(pid)
      .servers.filter(({ mountPoint }) => isAtOrBelow(path, mountPoint))
      .sort((a, b) => a.mountPoint.length - b.mountPoint.length);
  }

  /** The table of each process is found once only, because a process may hold ten thousand files. */
  #tableOf(pid: number): Table {
    let table = this.#byPid.get(pid);
    if (!table) {
      table = this.#readTable(pid);
      this.#byPid.set(pid, table);
    }
    return table;
  }

  #readTable(pid: number): Table {
    let key: string | undefined;
    try {
      key = `${this.reader.mountNamespace(pid)} ${this.reader.readLink(pid, 'root').toString('latin1')}`;
      const known = this.#tables.get(key) ?? tableOf(this.reader.mounts(pid));
      this.#tables.set(key, known);
      return known;
    } catch (error) {
      // The process has ended and has no files, we may not look at it, or it has too many mounts. In all
      // cases it gets an empty table, so that its files count as files of servers. To read too many mounts
      // takes a second each time, so other processes of the namespace get the same table.
      if (errnoOf(error) === undefined) throw error;
      const none = tableOf([]);
      if (key !== undefined && errnoOf(error) === 'EFBIG') this.#tables.set(key, none);
      return none;
    }
  }

  /**
   * An overlay is local if all its layers are. The paths of the layers are those of the process that mounted
   * the overlay. Mostly that was a container engine, which sees the mounts that we see. Otherwise it was the
   * process itself, so we compare the paths with the mounts of both. A relative path tells nothing, so an
   * overlay with one counts as not local where there is any server.
   */
  #isLocal(mount: Mount, table: Table): boolean {
    if (!hasLayers(mount.filesystem)) return !mayHaveServer(mount.filesystem);
    const tables = [this.#tableOf(this.reader.self()), table].filter(({ servers }) => servers.length > 0);
    if (tables.length === 0) return true;
    return layersOf(mount).every(layer => layer[0] === 0x2f && !tables.some(each => isOnServer(layer, each)));
  }
}

function isOnServer(path: Buffer, { mounts, servers }: Table): boolean {
  if (!servers.some(({ mountPoint }) => isAtOrBelow(path, mountPoint))) return false;
  let nearest: Mount | undefined;
  for (const mount of mounts) {
    // If several mounts lie at one place, the last is on top.
    if (mount.mountPoint.length < (nearest?.mountPoint.length ?? 0)) continue;
    if (isAtOrBelow(path, mount.mountPoint)) nearest = mount;
  }
  return nearest !== undefined && mayHaveServer(nearest.filesystem);
}

function tableOf(mounts: readonly Mount[]): Table {
  return { mounts, servers: mounts.filter(({ filesystem }) => mayHaveServer(filesystem)) };
}

function isAtOrBelow(path: Buffer, folder: Buffer): boolean {
  if (folder.length === 1) return true;
  if (!path.subarray(0, folder.length).equals(folder)) return false;
  return path.length === folder.length || path[folder.length] === 0x2f;
}

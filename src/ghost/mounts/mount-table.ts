import { errnoOf } from '../../base/errors.js';
import { keepsNames } from '../../base/filesystems.js';
import type { Mount, ProcessView } from '../../base/host/host.js';
import type { Ghost, GhostMount, Holder } from '../ghost.js';
import { internalName, longPath, stripDeleted } from '../links.js';
import { openedAs } from './aufs.js';
import { MountNamespaces, type Namespace } from './mount-namespaces.js';
import { filesystemOfUpper } from './on-host.js';
import { type Held, noteRestorablePaths } from './restorable-path.js';

interface Attached {
  ghost: Ghost;
  mount: GhostMount;
  /** The holder's namespace, or the one in which the mount was found. */
  namespace: Namespace;
}

/** The mounts that ghosts are open through. The mounts of a namespace are read with the first ghost there. */
export class MountTable {
  readonly #namespaces: MountNamespaces;
  readonly #attached: Attached[] = [];
  /** The answers of devicesAt(), which is only ever asked about one place and one type. */
  readonly #devices = new Map<Namespace, ReadonlySet<bigint>>();
  /** Devices of our own mounts. */
  #here: Set<bigint> | undefined;
  /** The types of file systems, by the path of the upper layer that lies on them. */
  readonly #filesystems = new Map<string, string | undefined>();

  constructor(private readonly processes: ProcessView) {
    this.#namespaces = new MountNamespaces(processes);
  }

  /** Note through which mount, and by which name, HOLDER has GHOST open. */
  attach(ghost: Ghost, holder: Holder, knownId?: number, target?: Buffer): void {
    const id = knownId ?? this.idThrough(holder.pid, holder.link);
    if (id === undefined || ghost.mounts.some(mount => mount.id === id)) return;
    const shown = target ?? this.#pathThrough(holder);
    const path = ghost.class === 'named' ? shown : stripDeleted(shown);
    const mount: GhostMount = { id, path };
    const namespace = this.#namespaces.of(holder.pid);
    if (!namespace.tree.get(id)) this.#namespaces.read(namespace, holder.pid);
    const known = namespace.tree.get(id);
    this.#complete(ghost, mount, known);
    if (known?.branches && holder.via === 'map') mount.path = openedAs(path, known);
    this.#attached.push({ ghost, mount, namespace });
    ghost.mounts.push(mount);
  }

  /**
   * Look for the mounts that the holders' own namespaces do not show. Then all mounts are known, so note for
   * each whether it is covered, who sees it, and by which paths CRIU can restore.
   * @param careful look at no path, because a FUSE mount whose server is frozen may be on the way
   */
  locateAll(pids: readonly number[], careful: boolean): void {
    for (const namespace of this.#namespaces.all()) this.#namespaces.readThrough(namespace, pids);
    this.#findElsewhere(pids);
    for (const [namespace, attached] of this.#byNamespace()) {
      const { tree, whole } = namespace;
      const isCrius = [...pids, this.processes.self()].some(pid => this.#namespaces.has(namespace, pid));
      for (const { ghost, mount } of attached) {
        this.#complete(ghost, mount, tree.get(mount.id));
        mount.covered = tree.isCovered(mount.id);
        if (whole !== undefined) mount.viewer = whole;
        if (!isCrius) mount.beyondCriu = true;
      }
      // CRIU refuses the files beyond its namespaces, so they need no path. The process that sees such a
      // mount may be a stranger.
      const held = attached.filter(
        (each): each is Attached & Held =>
          each.mount.mountPoint !== undefined && !each.mount.beyondCriu && each.ghost.class !== 'named',
      );
      noteRestorablePaths(this.processes, tree, careful ? undefined : whole, held);
    }
  }

  /**
   * Gives the path of the link, or longPath in place of one that is too long. To read such a path we would
   * have to open the ghost, and here the real path does not matter.
   */
  #pathThrough({ pid, link }: Holder): Buffer {
    try {
      return this.processes.readLink(pid, link);
    } catch (error) {
      if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
      return longPath;
    }
  }

  /**
   * Mount ids belong to the kernel, not to a namespace. A file that was opened before unshare(2), or
   * inherited across it, is on a mount of another namespace; CRIU looks in those of all processes (mount.c,
   * lookup_mnt_id). This is rare, so other namespaces are read only where a mount is missing.
   */
  #findElsewhere(pids: readonly number[]): void {
    const isStray = ({ ghost, mount, namespace }: Attached) =>
      !namespace.tree.get(mount.id) && !internalName(mount.path) && ghost.class !== 'named';
    let strays = this.#attached.filter(isStray);
    const findIn = (
      namespace: Namespace,
      readers: readonly number[],
      { beyondCriu } = { beyondCriu: false },
    ) => {
      if (strays.length === 0) return;
      this.#namespaces.readThrough(namespace, readers);
      for (const stray of strays) {
        if (!namespace.tree.get(stray.mount.id)) continue;
        stray.namespace = namespace;
        stray.mount.beyondCriu = beyondCriu;
      }
      strays = strays.filter(isStray);
    };
    if (strays.length === 0) return;
    for (const namespace of this.#namespaces.ofAll(pids)) findIn(namespace, pids);
    // All processes asked so far may be chrooted, and CRIU sees no more of their namespaces than they do. But
    // CRIU sees all of its own namespace, which is ours, so we ask about that one by our own process.
    const self = this.processes.self();
    for (const namespace of this.#namespaces.all()) {
      findIn(namespace, [self]);
      findIn(namespace, this.processes.listPids(), { beyondCriu: true });
    }
    for (const { ghost } of strays) this.#findFilesystem(ghost);
  }

  /** Devices of the file systems of this type that the namespace of PID has mounted at POINT. */
  devicesAt(pid: number, point: Buffer, filesystem: string): ReadonlySet<bigint> {
    const namespace = this.#namespaces.of(pid);
    let devices = this.#devices.get(namespace);
    if (!devices) {
      if (namespace.read.size === 0) this.#namespaces.read(namespace, pid);
      devices = namespace.tree.devicesAt(point, filesystem);
      this.#devices.set(namespace, devices);
    }
    return devices;
  }

  /** Finds the type of a file system whose mount was not found: it may be mounted elsewhere, too. */
  #findFilesystem(ghost: Ghost): void {
    for (const { tree } of this.#namespaces.all())
      if (ghost.filesystem === 'unknown')
        ghost.filesystem = tree.filesystemOf(ghost.stat.dev) ?? ghost.filesystem;
  }

  /** Is the file system on DEV also mounted in our own namespace? */
  isHereAlso(dev: bigint | undefined): boolean {
    this.#here ??= new Set(this.processes.mounts(this.processes.self()).map(mount => mount.dev));
    return dev !== undefined && this.#here.has(dev);
  }

  /**
   * The type is looked up only once for each upper layer. All ghosts of a container are on one layer, and the
   * host may have thousands of mounts to read.
   */
  filesystemOfUpper(upper: Buffer): string | undefined {
    const name = upper.toString('latin1');
    if (!this.#filesystems.has(name))
      this.#filesystems.set(name, filesystemOfUpper(this.processes, upper, keepsNames));
    return this.#filesystems.get(name);
  }

  #byNamespace(): Map<Namespace, Attached[]> {
    const all = new Map<Namespace, Attached[]>();
    for (const each of this.#attached) {
      const others = all.get(each.namespace);
      if (others) others.push(each);
      else all.set(each.namespace, [each]);
    }
    return all;
  }

  #complete(ghost: Ghost, mount: GhostMount, known: Mount | undefined): void {
    if (!known) return;
    mount.dev = known.dev;
    mount.mountPoint = known.mountPoint;
    if (known.root) mount.root = known.root;
    if (known.rootGone) mount.rootGone = true;
    ghost.filesystem = known.filesystem;
    if (known.upper) ghost.upper = known.upper;
  }

  /** The mount id through a link; undefined where the link cannot be opened. */
  idThrough(pid: number, link: string): number | undefined {
    try {
      return this.processes.mountThrough(pid, link);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }
}

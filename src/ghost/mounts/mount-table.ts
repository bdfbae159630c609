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
  /** The holder's, or the one in which the mount was found. */
  namespace: Namespace;
}

/**
 * The mounts that ghosts are open through. Those of a namespace are read when the first ghost there is met.
 */
export class MountTable {
  readonly #namespaces: MountNamespaces;
  readonly #attached: Attached[] = [];
  /** Devices of our own mounts. */
  #here: Set<bigint> | undefined;
  /** By the path of an upper layer. */
  readonly #filesystems = new Map<string, string | undefined>();

  constructor(private readonly processes: ProcessView) {
    this.#namespaces = new MountNamespaces(processes);
  }

  /** Note through which mount, and by which name, HOLDER has GHOST open. */
  attach(ghost: Ghost, holder: Holder, knownId?: number, target?: Buffer): void {
    const id = knownId ?? this.idThrough(holder.pid, holder.link);
    if (id === undefined || ghost.mounts.some(mount => mount.id === id)) return;
    const path = stripDeleted(target ?? this.#pathThrough(holder));
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
   * Look for the mounts that their holders do not show, and then, since all is known that tells what hides
   * what, note what is to be known of each.
   * @param careful no path is looked at: on the way may be a FUSE mount whose server is frozen
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
      // What CRIU refuses needs no path, and who sees the mount may be a stranger.
      const held = attached.filter(
        (each): each is Attached & Held => each.mount.mountPoint !== undefined && !each.mount.beyondCriu,
      );
      noteRestorablePaths(this.processes, tree, careful ? undefined : whole, held);
    }
  }

  /** A ghost that is not to be opened yet: what too long a path is does not matter. */
  #pathThrough({ pid, link }: Holder): Buffer {
    try {
      return this.processes.readLink(pid, link);
    } catch (error) {
      if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
      return longPath;
    }
  }

  /**
   * Mount ids are the kernel's, not a namespace's: what was opened before unshare(2), or inherited across it,
   * is on a mount of another namespace, and CRIU looks in those of all processes (mount.c, lookup_mnt_id). It
   * is rare, so they are only read where a mount is missing.
   */
  #findElsewhere(pids: readonly number[]): void {
    const isStray = ({ mount, namespace }: Attached) =>
      !namespace.tree.get(mount.id) && !internalName(mount.path);
    let strays = this.#attached.filter(isStray);
    const findIn = (namespace: Namespace, readers: readonly number[], beyondCriu: boolean) => {
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
    for (const namespace of this.#namespaces.ofAll(pids)) findIn(namespace, pids, false);
    // All who were asked may be chrooted. CRIU then sees no more of their namespace than they do, but all of
    // its own.
    const self = this.processes.self();
    for (const namespace of this.#namespaces.all()) {
      findIn(namespace, [self], false);
      findIn(namespace, this.processes.listPids(), true);
    }
    for (const { ghost } of strays) this.#findFilesystem(ghost);
  }

  /** The mount is nowhere, but its file system may be mounted elsewhere too. */
  #findFilesystem(ghost: Ghost): void {
    for (const { tree } of this.#namespaces.all())
      if (ghost.filesystem === 'unknown')
        ghost.filesystem = tree.filesystemOf(ghost.stat.dev) ?? ghost.filesystem;
  }

  /** Is what is on DEV mounted where we are, too? */
  isHereAlso(dev: bigint | undefined): boolean {
    this.#here ??= new Set(this.processes.mounts(this.processes.self()).map(mount => mount.dev));
    return dev !== undefined && this.#here.has(dev);
  }

  /**
   * Asked once for each layer: all ghosts of a container are on one, and the host may have thousands of
   * mounts to read.
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

  /** The mount id through a link; undefined where it cannot be opened. */
  idThrough(pid: number, link: string): number | undefined {
    try {
      return this.processes.mountThrough(pid, link);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }
}

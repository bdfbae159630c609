import { errnoOf } from '../base/errors.js';
import type { Mount, ProcessView } from '../base/host.js';
import { openedAs } from './aufs.js';
import { MountTree } from './cover.js';
import type { Ghost, GhostMount, Holder } from './ghost.js';
import { stripDeleted } from './links.js';
import { type Held, noteRestorablePaths } from './restorable-path.js';

interface Namespace {
  tree: MountTree;
  /** Whose mountinfo was read. */
  read: Set<number>;
  /** One of them that has the namespace's own root, so that nothing is missing. */
  whole: number | undefined;
  attached: { ghost: Ghost; mount: GhostMount }[];
}

/** Mounts of the namespaces that ghosts are found in, read when the first ghost there is met. */
export class MountTable {
  readonly #namespaces = new Map<string, Namespace>();

  readonly #namespaceByPid = new Map<number, string>();

  constructor(private readonly processes: ProcessView) {}

  /** Note through which mount, and by which name, HOLDER has GHOST open. */
  attach(ghost: Ghost, holder: Holder, knownId?: number, target?: Buffer): void {
    const id = knownId ?? this.idThrough(holder.pid, holder.link);
    if (id === undefined || ghost.mounts.some(mount => mount.id === id)) return;
    const path = stripDeleted(target ?? this.processes.readLink(holder.pid, holder.link));
    const mount: GhostMount = { id, path };
    const namespace = this.#namespaceOf(holder.pid);
    if (!namespace.tree.get(id)) this.#read(namespace, holder.pid);
    const known = namespace.tree.get(id);
    this.#complete(ghost, mount, known);
    if (known?.branches && holder.via === 'map') mount.path = openedAs(path, known);
    namespace.attached.push({ ghost, mount });
    ghost.mounts.push(mount);
  }

  /**
   * A chrooted process sees fewer mounts than its neighbours: what one does not show, another of PIDS may. Then all is
   * known that tells what hides what.
   * @param careful no path is looked at: on the way may be a FUSE mount whose server is frozen
   */
  settle(pids: readonly number[], careful: boolean): void {
    for (const namespace of this.#namespaces.values()) {
      for (const pid of pids) {
        if (namespace.whole !== undefined) break;
        this.#readIfOf(namespace, pid);
      }
      const { tree, whole, attached } = namespace;
      for (const { ghost, mount } of attached) {
        this.#complete(ghost, mount, tree.get(mount.id));
        mount.covered = tree.isCovered(mount.id);
      }
      const held = attached.filter((each): each is Held => each.mount.mountPoint !== undefined);
      noteRestorablePaths(this.processes, tree, careful ? undefined : whole, held);
    }
  }

  #namespaceOf(pid: number): Namespace {
    const name = this.#nameOf(pid);
    let namespace = this.#namespaces.get(name);
    if (!namespace) {
      namespace = { tree: new MountTree(), read: new Set(), whole: undefined, attached: [] };
      this.#namespaces.set(name, namespace);
    }
    return namespace;
  }

  /** Asked once a process: it may hold ten thousand ghosts. */
  #nameOf(pid: number): string {
    let name = this.#namespaceByPid.get(pid);
    if (name === undefined) {
      name = this.processes.mountNamespace(pid);
      this.#namespaceByPid.set(pid, name);
    }
    return name;
  }

  #complete(ghost: Ghost, mount: GhostMount, known: Mount | undefined): void {
    if (!known) return;
    mount.dev = known.dev;
    mount.mountPoint = known.mountPoint;
    ghost.filesystem = known.filesystem;
  }

  #readIfOf(namespace: Namespace, pid: number): void {
    try {
      if (this.#namespaces.get(this.#nameOf(pid)) === namespace) this.#read(namespace, pid);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }

  /** Mount points are shown as seen from the process's root; names, and CRIU's own look, are the namespace's. */
  #read(namespace: Namespace, pid: number): void {
    if (namespace.whole !== undefined || namespace.read.has(pid)) return;
    const mounts = this.processes.mounts(pid);
    const root = this.processes.readLink(pid, 'root');
    const isWhole = root.length === 1;
    for (const mount of mounts)
      namespace.tree.add(isWhole ? mount : { ...mount, mountPoint: below(root, mount.mountPoint) });
    namespace.read.add(pid);
    if (isWhole) namespace.whole = pid;
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

function below(root: Buffer, path: Buffer): Buffer {
  return path.length === 1 ? root : Buffer.concat([root, path]);
}

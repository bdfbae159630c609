import { errnoOf } from '../base/errors.js';
import type { Mount, ProcessView } from '../base/host.js';
import { openedAs } from './aufs.js';
import type { Ghost, GhostMount, Holder } from './ghost.js';
import { internalName, stripDeleted } from './links.js';

/** Mounts of the namespaces that ghosts are found in, read when the first ghost there is met. */
export class MountTable {
  readonly #namespaces = new Map<string, Map<number, Mount>>();

  readonly #namespaceByPid = new Map<number, string>();

  /** Mounts that their holders' mountinfo lacks. */
  readonly #missing: { ghost: Ghost; mount: GhostMount; namespace: string }[] = [];

  constructor(private readonly processes: ProcessView) {}

  /** Note through which mount, and by which name, HOLDER has GHOST open. */
  attach(ghost: Ghost, holder: Holder, knownId?: number, target?: Buffer): void {
    const id = knownId ?? this.idThrough(holder.pid, holder.link);
    if (id === undefined || ghost.mounts.some(mount => mount.id === id)) return;
    const path = stripDeleted(target ?? this.processes.readLink(holder.pid, holder.link));
    const mount: GhostMount = { id, path };
    const namespace = this.#namespaceOf(holder.pid);
    const known = this.#known(namespace).get(id) ?? this.#read(namespace, holder.pid).get(id);
    this.#complete(ghost, mount, known);
    if (known?.branches && holder.via === 'map') mount.path = openedAs(path, known);
    if (mount.dev === undefined && !internalName(path)) this.#missing.push({ ghost, mount, namespace });
    ghost.mounts.push(mount);
  }

  /** A chrooted process sees fewer mounts than its neighbours: what one does not show, another of PIDS may. */
  settle(pids: readonly number[]): void {
    for (const { ghost, mount, namespace } of this.#missing) {
      for (const pid of pids) {
        if (mount.dev !== undefined) break;
        try {
          if (this.#namespaceOf(pid) === namespace)
            this.#complete(ghost, mount, this.#read(namespace, pid).get(mount.id));
        } catch (error) {
          if (errnoOf(error) === undefined) throw error;
        }
      }
    }
  }

  /** Asked once a process: it may hold ten thousand ghosts. */
  #namespaceOf(pid: number): string {
    let namespace = this.#namespaceByPid.get(pid);
    if (namespace === undefined) {
      namespace = this.processes.mountNamespace(pid);
      this.#namespaceByPid.set(pid, namespace);
    }
    return namespace;
  }

  #complete(ghost: Ghost, mount: GhostMount, known: Mount | undefined): void {
    if (!known) return;
    mount.dev = known.dev;
    mount.mountPoint = known.mountPoint;
    ghost.filesystem = known.filesystem;
  }

  #known(namespace: string): Map<number, Mount> {
    let mounts = this.#namespaces.get(namespace);
    if (!mounts) {
      mounts = new Map();
      this.#namespaces.set(namespace, mounts);
    }
    return mounts;
  }

  #read(namespace: string, pid: number): Map<number, Mount> {
    const mounts = this.#known(namespace);
    for (const mount of this.processes.mounts(pid)) mounts.set(mount.id, mount);
    return mounts;
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

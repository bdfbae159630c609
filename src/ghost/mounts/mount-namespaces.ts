import { errnoOf } from '../../base/errors.js';
import type { Mount, ProcessView } from '../../base/host/host.js';
import { MountTree } from './cover.js';

export interface Namespace {
  name: string;
  tree: MountTree;
  /** Processes whose mountinfo was read. */
  read: Set<number>;
  /** A process that was read and has the namespace's own root. If there is one, no mount is missing. */
  whole: number | undefined;
  /** The error where the namespace has too many mounts: to find that takes a second each time. */
  refused?: unknown;
}

/** Mount namespaces of processes, with the mounts that were read through these processes. */
export class MountNamespaces {
  readonly #byName = new Map<string, Namespace>();
  readonly #nameByPid = new Map<number, string>();

  constructor(private readonly processes: ProcessView) {}

  all(): Namespace[] {
    return [...this.#byName.values()];
  }

  of(pid: number): Namespace {
    const name = this.#nameOf(pid);
    let namespace = this.#byName.get(name);
    if (!namespace) {
      namespace = { name, tree: new MountTree(), read: new Set(), whole: undefined };
      this.#byName.set(name, namespace);
    }
    return namespace;
  }

  /** The namespaces of PIDS, without processes that have ended. */
  ofAll(pids: readonly number[]): Set<Namespace> {
    const there = pids.filter(pid => this.#nameIfThere(pid) !== undefined);
    return new Set(there.map(pid => this.of(pid)));
  }

  has({ name }: Namespace, pid: number): boolean {
    return this.#nameIfThere(pid) === name;
  }

  /**
   * Reads the mounts that PID sees. A process shows mount points below its own root. We put that root before
   * them, because names, and CRIU's own checks, use the namespace's root.
   */
  read(namespace: Namespace, pid: number): void {
    if (namespace.whole !== undefined || namespace.read.has(pid)) return;
    if (namespace.refused !== undefined) throw namespace.refused;
    const mounts = this.#mountsOf(namespace, pid);
    const root = this.processes.readLink(pid, 'root');
    // A root whose mount was taken away also reads as "/", but then no mount is shown below it.
    const isWhole = root.length === 1 && mounts.length > 0;
    for (const mount of mounts)
      namespace.tree.add(isWhole ? mount : { ...mount, mountPoint: below(root, mount.mountPoint) });
    namespace.read.add(pid);
    if (isWhole) namespace.whole = pid;
  }

  #mountsOf(namespace: Namespace, pid: number): Mount[] {
    try {
      return this.processes.mounts(pid);
    } catch (error) {
      if (errnoOf(error) === 'EFBIG') namespace.refused = error;
      throw error;
    }
  }

  /**
   * A chrooted process sees fewer mounts than others in its namespace. So read the mountinfo of PIDS, one
   * after the other, until no mount is missing.
   */
  readThrough(namespace: Namespace, pids: readonly number[]): void {
    for (const pid of pids) {
      if (namespace.whole !== undefined) return;
      if (!this.has(namespace, pid)) continue;
      try {
        this.read(namespace, pid);
      } catch (error) {
        if (errnoOf(error) === undefined) throw error;
      }
    }
  }

  /** The name is read only once for each process, because a process may hold ten thousand ghosts. */
  #nameOf(pid: number): string {
    let name = this.#nameByPid.get(pid);
    if (name === undefined) {
      name = this.processes.mountNamespace(pid);
      this.#nameByPid.set(pid, name);
    }
    return name;
  }

  #nameIfThere(pid: number): string | undefined {
    try {
      return this.#nameOf(pid);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }
}

function below(root: Buffer, path: Buffer): Buffer {
  return path.length === 1 ? root : Buffer.concat([root, path]);
}

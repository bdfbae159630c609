import { errnoOf } from '../base/errors.js';
import type { Mount, ProcessView } from '../base/host.js';
import type { Ghost, Holder } from './ghost.js';
import { stripDeleted } from './links.js';

/** Mounts of the namespaces that ghosts are found in, read when the first ghost there is met. */
export class MountTable {
  readonly #namespaces = new Map<string, Map<number, Mount>>();

  constructor(private readonly processes: ProcessView) {}

  /** Note through which mount, and by which name, HOLDER has GHOST open. */
  attach(ghost: Ghost, holder: Holder, knownId?: number): void {
    const id = knownId ?? this.idThrough(holder.pid, holder.link);
    if (id === undefined || ghost.mounts.some(mount => mount.id === id)) return;
    const mount = this.find(holder.pid, id);
    const path = stripDeleted(this.processes.readLink(holder.pid, holder.link));
    ghost.mounts.push({ id, path, ...(mount ? { dev: mount.dev } : {}) });
    if (mount) ghost.filesystem = mount.filesystem;
  }

  find(pid: number, id: number): Mount | undefined {
    const namespace = this.processes.mountNamespace(pid);
    let mounts = this.#namespaces.get(namespace);
    if (!mounts) {
      mounts = new Map();
      this.#namespaces.set(namespace, mounts);
    }
    // A chrooted process sees fewer mounts than its neighbours: what one does not show another may.
    if (!mounts.has(id)) for (const mount of this.processes.mounts(pid)) mounts.set(mount.id, mount);
    return mounts.get(id);
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

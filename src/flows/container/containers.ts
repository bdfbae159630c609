import type { Host } from '../../base/host/host.js';
import { idIn, type KnownContainer, knownContainers } from './known.js';

/** A container as a list shows it. */
export interface Container {
  id: string;
  name?: string;
}

/** Tells in which container a process is. Records of engines are read once, when it is made. */
export class Containers {
  readonly #names = new Map<string, string>();
  readonly #byCgroup = new Map<string, string>();

  constructor(
    private readonly host: Pick<Host, 'processes' | 'files' | 'uid'>,
    known: readonly KnownContainer[] = knownContainers(host),
  ) {
    for (const { id, names, cgroups } of known) {
      const [name] = names;
      if (name !== undefined) this.#names.set(id, name);
      for (const cgroup of cgroups) if (cgroup !== '/') this.#byCgroup.set(cgroup, id);
    }
  }

  /** @returns undefined for a process of the host, and for one that has ended */
  of(pid: number): Container | undefined {
    let paths: string[];
    try {
      paths = this.host.processes.cgroupsOf(pid);
    } catch {
      return undefined;
    }
    for (const path of paths) {
      const id = this.#idOf(path);
      if (id === undefined) continue;
      const name = this.#names.get(id);
      return { id, ...(name === undefined ? {} : { name }) };
    }
    return undefined;
  }

  /** The innermost cgroup decides, because a container may run others. */
  #idOf(path: string): string | undefined {
    const parts = path.split('/').slice(1);
    for (let depth = parts.length; depth > 0; depth -= 1) {
      const noted = this.#byCgroup.get(`/${parts.slice(0, depth).join('/')}`);
      const id = noted ?? idIn(parts[depth - 1] as string);
      if (id !== undefined) return id;
    }
    return undefined;
  }
}

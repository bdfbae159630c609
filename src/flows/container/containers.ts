import type { Host } from '../../base/host/host.js';
import { levelsOf } from './cgroup-path.js';
import { idIn, isCgroupOf, type KnownContainer, knownContainers } from './known.js';

/** A container as a list shows it. */
export interface Container {
  id: string;
  name?: string;
}

/**
 * Tells in which container a process is. The constructor reads the records of engines, and nothing reads them
 * again.
 */
export class Containers {
  readonly #names = new Map<string, string>();
  readonly #idsByPath = new Map<string, string | undefined>();

  constructor(
    private readonly host: Pick<Host, 'processes' | 'files' | 'uid'>,
    private readonly known: readonly KnownContainer[] = knownContainers(host),
  ) {
    for (const { id, names } of known) {
      const [name] = names;
      if (name !== undefined) this.#names.set(id, name);
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

  /** The innermost cgroup decides, because a container may run other containers. */
  #idOf(path: string): string | undefined {
    if (!this.#idsByPath.has(path)) this.#idsByPath.set(path, this.#findId(path));
    return this.#idsByPath.get(path);
  }

  #findId(path: string): string | undefined {
    for (const level of levelsOf(path)) {
      const id = this.known.find(each => isCgroupOf(each, level))?.id ?? idIn(level);
      if (id !== undefined) return id;
    }
    return undefined;
  }
}

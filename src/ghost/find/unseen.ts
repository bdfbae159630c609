/** Collects everything that a search could not look at. */
import type { Unseen } from '../../base/documents/generated/scan.js';
import { errnoOf, reasonOf } from '../../base/errors.js';
import { looksSilly } from '../../base/filesystems.js';
import type { FileMap, ProcessView } from '../../base/host/host.js';
import { pathToText } from '../../base/text/path-bytes.js';
import { makeDev } from '../../base/units.js';
import type { Ghost } from '../ghost.js';
import { internalName, looksDeleted, stripDeleted } from '../links.js';

/** `what` is `process` where the process has ended, and `fd` where it shows none of its descriptors. */
export interface UnseenInSearch extends Unseen {
  cause: unknown;
  /**
   * Could a ghost be hidden here? False for processes that have ended, for folders, and for files that still
   * have their name.
   */
  mayHide: boolean;
}

export class UnseenList {
  readonly all: UnseenInSearch[] = [];
  /**
   * Memory behind mappings that map_files did not show, or shows as a file of no type. It never had a name,
   * so it is no ghost, but it has content.
   */
  readonly memory: Unseen[] = [];
  readonly #memory = new Set<string>();
  /** Mappings of deleted files that map_files did not show. */
  readonly #unreadMaps: { pid: number; map: FileMap; cause: unknown }[] = [];

  constructor(private readonly processes: ProcessView) {}

  /** @param link below /proc/PID, where the entry is one file */
  add(pid: number, what: string, cause: unknown, link?: string): void {
    const mayHide = what !== 'cwd' && what !== 'root' && !(link && this.#goesByName(pid, link));
    this.all.push({ pid, what, why: reasonOf(cause), cause, mayHide });
  }

  addEnded(pid: number, cause: unknown): void {
    this.all.push({ pid, what: 'process', why: 'it ended while it was looked at', cause, mayHide: false });
  }

  /**
   * Notes mappings that we could not look through: map_files needs CAP_CHECKPOINT_RESTORE
   * (proc_pid_map_files(5)). Without it, maps still shows which files they are.
   */
  addUnreadMaps(pid: number, maps: readonly FileMap[], cause: unknown): void {
    for (const map of maps)
      if (looksDeleted(Buffer.from(map.label, 'latin1'))) this.#unreadMaps.push({ pid, map, cause });
  }

  /**
   * Judges the files behind mappings that could not be read. Most of these files are in GHOSTS already,
   * because a descriptor leads to them too, and some mappings have no file.
   */
  resolveMaps(ghosts: readonly Ghost[]): void {
    if (this.#unreadMaps.length === 0) return;
    const known = new Set(
      ghosts.flatMap(({ stat, mounts }) =>
        [stat.dev, ...mounts.map(({ dev }) => dev)].map(dev => `${dev}/${stat.ino}`),
      ),
    );
    for (const { pid, map, cause } of this.#unreadMaps) {
      const { dev, ino, path } = parseLabel(map.label);
      if (known.has(`${dev}/${ino}`)) continue;
      // A mapping that the kernel made for itself is memory of the process. A memfd is a file, and perhaps
      // nothing else leads to it, so it is reported as unseen.
      const internal = internalName(stripDeleted(path));
      if (internal && internal !== 'a memfd')
        this.#addMemory(`${dev}/${ino}`, pid, map.address, internal, stripDeleted(path));
      else this.add(pid, `map_files ${map.address}`, cause);
    }
  }

  /** Adds memory that the kernel shows as a mapped file of no type: an aio ring. Such a file is no ghost. */
  addUntyped(pid: number, { label, address }: FileMap): void {
    const { dev, ino, path } = parseLabel(label);
    const internal = internalName(stripDeleted(path));
    if (internal) this.#addMemory(`${dev}/${ino}`, pid, address, internal, stripDeleted(path));
  }

  /** Processes share this memory, so one line for all of them is enough. */
  #addMemory(file: string, pid: number, address: string, why: string, path: Buffer): void {
    if (this.#memory.size === this.#memory.add(file).size) return;
    this.memory.push({ pid, what: `map_files ${address}`, why, ...pathToText(path) });
  }

  /**
   * True where the link below /proc/PID still shows a name. We then take the file for one that exists under
   * that name, so for no ghost. This can be wrong: if a file server deletes or hides the file, the kernel
   * goes on showing the name.
   */
  #goesByName(pid: number, link: string): boolean {
    try {
      const target = this.processes.readLink(pid, link);
      return !looksDeleted(target) && !looksSilly(target);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }
}

/** Takes apart a label, whose form FileMap describes. */
export function parseLabel(label: string): { dev: bigint; ino: string; path: Buffer } {
  const [, major = '', minor = '', ino = '', path = ''] =
    /^([0-9a-f]+):([0-9a-f]+) ([0-9]+) (.*)$/s.exec(label) ?? [];
  return { dev: makeDev(BigInt(`0x${major}`), BigInt(`0x${minor}`)), ino, path: Buffer.from(path, 'latin1') };
}

import { errnoOf } from '../../base/errors.js';
import type { Mount } from '../../base/host/host.js';
import { isLocalFilesystem } from '../../base/local-filesystems.js';

/** How /proc shows the mounts of processes. */
export interface MountReader {
  mounts(pid: number): Mount[];
  mountNamespace(pid: number): string;
}

/** Mounts whose files no server has to be asked about. */
export interface LocalMounts {
  /** Ascending. */
  ids: BigUint64Array;
  has(id: number): boolean;
}

/** Of the mounts that PIDS can see. */
export function localMounts(reader: MountReader, pids: readonly number[]): LocalMounts {
  const namespaces = new Set<string>();
  const ids = new Set<number>();
  for (const pid of pids) {
    try {
      const namespace = reader.mountNamespace(pid);
      if (namespaces.has(namespace)) continue;
      for (const { id, filesystem } of reader.mounts(pid)) if (isLocalFilesystem(filesystem)) ids.add(id);
      namespaces.add(namespace);
    } catch (error) {
      // Who has ended has no files, and who may not be looked at shows none.
      if (errnoOf(error) === undefined) throw error;
    }
  }
  return { ids: BigUint64Array.from([...ids].sort((a, b) => a - b).map(BigInt)), has: id => ids.has(id) };
}

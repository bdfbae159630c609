import type { GhostRecord, HolderRecord } from '../base/documents/generated/ghost.js';
import type { FileStat } from '../base/host/host.js';
import { pathToText } from '../base/text/path-bytes.js';
import { countToJson, showDev } from '../base/units.js';

export type GhostClass = GhostRecord['class'];
export type Via = HolderRecord['via'];

/** A holder keeps a ghost alive. LINK, below /proc/PID, leads to the ghost. */
export interface Holder {
  pid: number;
  via: Via;
  /** `fd/3`, `map_files/a-b`, `exe`, `cwd`, `root` */
  link: string;
  writable: boolean;
  shared: boolean;
  fd?: number;
  address?: string;
  flags?: number;
  position?: bigint;
}

/** A mount that a ghost is open through, and the name that the kernel shows for the ghost there. */
export interface GhostMount {
  id: number;
  /** The mount's own device; undefined where no mount namespace shows the mount. */
  dev?: bigint;
  mountPoint?: Buffer;
  /** The folder of its file system that the mount shows. */
  root?: Buffer;
  /** Another mount covers this one, and CRIU refuses open files there. */
  covered?: boolean;
  /**
   * CRIU reads the mount namespaces of the dumped processes and its own one. The mount is in none of these.
   */
  beyondCriu?: boolean;
  /**
   * A process that sees the mount's whole namespace. Paths on the mount are paths below this process's root.
   */
  viewer?: number;
  /** The folder that the mount shows was removed on the host. */
  rootGone?: boolean;
  path: Buffer;
  /** The path by which CRIU shall make the ghost again, where its own path will not do. */
  restorable?: Buffer;
  /** Only for linked ghosts and named files: the names that the inode still has on this mount, absolute. */
  names?: Buffer[];
}

/**
 * A file without a name that a process still holds (design: Words). A file of class `named` is also described
 * by this, although it has its name (find/named.ts).
 */
export interface Ghost {
  class: GhostClass;
  stat: FileStat;
  filesystem: string;
  /** The folder of an overlay that new data is written to (upperdir). */
  upper?: Buffer;
  /**
   * Only for a linked ghost: its names stay when no process holds it any more, so its content may be left
   * out.
   */
  namesStay?: boolean;
  mounts: GhostMount[];
  holders: Holder[];
  keep: 'ghostkeep' | 'criu' | 'no';
  why: string;
  /** CRIU refuses a checkpoint because of this ghost, which we leave to it; `why` has the reason. */
  refusedByCriu?: boolean;
  /** Why CRIU could not restore this ghost although it would dump it. A checkpoint by CRIU has to fail. */
  unrestorable?: string;
  /** Why CRIU might not be able to restore this ghost. */
  doubt?: string;
}

/** `8:1/4711`, by which messages name a ghost. */
export function showIdentity(stat: Pick<FileStat, 'dev' | 'ino'>): string {
  return `${showDev(stat.dev)}/${stat.ino}`;
}

/** Source: CRIU files-reg.c, dump_one_reg_file: `file[<mnt_id hex>:<st_ino hex>]`. */
export function externalKey(mountId: number, ino: bigint): string {
  return `file[${mountId.toString(16)}:${ino.toString(16)}]`;
}

export function keysOf(ghost: Ghost): string[] {
  return ghost.mounts.map(mount => externalKey(mount.id, ghost.stat.ino));
}

export function pathOf(ghost: Ghost): Buffer {
  return ghost.mounts[0]?.path ?? Buffer.alloc(0);
}

export function toRecord(ghost: Ghost): GhostRecord {
  const { stat } = ghost;
  return {
    class: ghost.class,
    ...pathToText(pathOf(ghost)),
    dev: showDev(stat.dev),
    ino: countToJson(stat.ino),
    size: countToJson(stat.size),
    allocated: countToJson(stat.allocated),
    nlink: stat.nlink,
    filesystem: ghost.filesystem,
    mounts: ghost.mounts.map(mount => mount.id),
    key: ghost.class === 'named' ? [] : keysOf(ghost),
    holders: ghost.holders.map(toHolderRecord),
  };
}

function toHolderRecord(holder: Holder): HolderRecord {
  return {
    pid: holder.pid,
    via: holder.via,
    ...(holder.fd === undefined ? {} : { fd: holder.fd }),
    ...(holder.address === undefined ? {} : { address: holder.address }),
    ...(holder.flags === undefined ? {} : { flags: holder.flags }),
    ...(holder.position === undefined ? {} : { position: countToJson(holder.position) }),
    writable: holder.writable,
    shared: holder.shared,
  };
}

/** A ghost or a named file in a message: its numbers, and its path as the kernel shows it. */
export function showGhost(ghost: Ghost): string {
  return `${ghost.class === 'named' ? 'file' : 'ghost'} ${showIdentity(ghost.stat)} (${pathOf(ghost).toString('utf8')})`;
}

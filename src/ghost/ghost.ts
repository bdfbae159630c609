import type { GhostRecord, HolderRecord } from '../base/documents/generated/ghost.js';
import type { FileStat } from '../base/host/host.js';
import { pathToText } from '../base/text/path-bytes.js';
import { countToJson, showDev } from '../base/units.js';

export type GhostClass = GhostRecord['class'];
export type Via = HolderRecord['via'];

/** What keeps a ghost alive, and the link below /proc/PID through which it can be reached. */
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

/** A mount a ghost is open through, and the name the kernel shows for it there. */
export interface GhostMount {
  id: number;
  /** The mount's own device; undefined where no mount namespace shows the mount. */
  dev?: bigint;
  mountPoint?: Buffer;
  /** The folder of its file system that it shows. */
  root?: Buffer;
  /** Another mount covers it: CRIU refuses open files there. */
  covered?: boolean;
  /** It is in no mount namespace that CRIU reads: those of the dumped processes and its own. */
  beyondCriu?: boolean;
  /** A process that sees the mount's whole namespace: paths on it are those below this one's root. */
  viewer?: number;
  /** What it shows was removed on the host. */
  rootGone?: boolean;
  path: Buffer;
  /** What CRIU shall make it again by, where it cannot by its own path. */
  restorable?: Buffer;
  /** Only of linked ghosts: names the inode still has on this mount, absolute. */
  names?: Buffer[];
}

/** A file without a name that a process still holds (design: Words). */
export interface Ghost {
  class: GhostClass;
  stat: FileStat;
  filesystem: string;
  /** The folder of overlay that takes what is written. */
  upper?: Buffer;
  /**
   * Only of a linked one: its names stay when nobody holds it any more, so that its content may be left out.
   */
  namesStay?: boolean;
  mounts: GhostMount[];
  holders: Holder[];
  keep: 'ghostkeep' | 'criu' | 'no';
  why: string;
  /** Why CRIU, which would dump it, could not restore it: a checkpoint by CRIU has to fail. */
  unrestorable?: string;
  /** Why CRIU might not be able to restore it. */
  doubt?: string;
}

/** `8:1/4711`, what messages call a ghost. */
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
    key: keysOf(ghost),
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

/** A ghost in a message: its numbers, and its path as the kernel has it. */
export function showGhost(ghost: Ghost): string {
  return `ghost ${showIdentity(ghost.stat)} (${pathOf(ghost).toString('utf8')})`;
}

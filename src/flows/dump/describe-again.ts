/** Describes a ghost again: it may have changed while it was only pinned, or while it was copied. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, reasonOf } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { type IdMap, parseIdMaps } from '../../base/id-map.js';
import { countToJson, showBytes, showTime } from '../../base/units.js';
import type { Context } from '../context.js';
import { describeAttributes, describeOwner, nameOf } from './describe.js';

/** A descriptor on a ghost, and the ghost's entry in the journal. */
export interface Described {
  entry: ManifestGhost;
  fd: number;
  /** Stat of the descriptor, taken before anything was read. */
  stat: FileStat;
  dump: DumpState;
}

/** State that all ghosts of a dump share. */
export interface DumpState {
  /** The container's id maps, to find a ghost's current owner; without them the owner in its entry stays. */
  ids: IdMap | undefined;
  /**
   * How much larger, in base64, the extended attributes of all ghosts together may get than when they were
   * first described.
   */
  attributeBytes: number;
}

/** The journal must stay small enough to be written: by then the container may be gone. */
const mostMoreAttributes = 16 * 1024 * 1024;

export function startState({ idMaps }: Manifest): DumpState {
  return { ids: idMaps && parseIdMaps(idMaps), attributeBytes: mostMoreAttributes };
}

/**
 * Takes mode and owner from one stat: a setuid bit must not be combined with an earlier owner. If the
 * attributes cannot be read any more, the dump keeps the bytes all the same, because the container may be
 * gone.
 */
export function describeAgain(context: Context, { entry, fd, stat, dump }: Described): void {
  entry.size = countToJson(stat.size);
  entry.allocated = countToJson(stat.allocated);
  entry.mode = stat.mode;
  entry.nlink = stat.nlink;
  entry.mtime = showTime(stat.mtimeNs);
  entry.atime = showTime(stat.atimeNs);
  if (dump.ids) Object.assign(entry, describeOwner(stat, dump.ids));
  if (entry.linked) Object.assign(entry.linked, { hostUid: stat.uid, hostGid: stat.gid });
  const why = takeAttributes(context, entry, fd, dump);
  if (why !== undefined)
    context.log.warn(
      `extended attributes and flags of ${nameOf(entry)} stay as they were first described: ${why}`,
    );
}

/** @returns the reason if the attributes stay as they were first described */
function takeAttributes(
  context: Context,
  entry: ManifestGhost,
  fd: number,
  dump: DumpState,
): string | undefined {
  try {
    const found = describeAttributes(context, { fd });
    const more = bytesOf(found.xattrs) - bytesOf(entry.xattrs);
    if (more > dump.attributeBytes) return `it has got ${showBytes(BigInt(more))} more of them`;
    dump.attributeBytes -= more;
    delete entry.inodeFlags;
    Object.assign(entry, found);
    return undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return reasonOf(error);
  }
}

function bytesOf(xattrs: ManifestGhost['xattrs']): number {
  return Object.entries(xattrs).reduce((sum, [name, value = '']) => sum + name.length + value.length, 0);
}

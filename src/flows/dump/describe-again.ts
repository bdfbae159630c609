/** A ghost may have changed since its entry was written: while it was only pinned, or while it was copied. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, reasonOf } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { type IdMap, parseIdMaps } from '../../base/id-map.js';
import { countToJson, showBytes, showTime } from '../../base/units.js';
import type { Context } from '../context.js';
import { describeAttributes, describeOwner, nameOf } from './describe.js';

/** A descriptor on a ghost, and the journal's entry of it. */
export interface Described {
  entry: ManifestGhost;
  fd: number;
  /** Of the descriptor, before anything was read. */
  stat: FileStat;
  dump: DumpState;
}

/** One for all ghosts of a dump. */
export interface DumpState {
  /** Of the container, to say who owns a ghost by now; without them its entry's owner stays. */
  ids: IdMap | undefined;
  /**
   * How much more extended attributes they may have together than when they were first described, in base64.
   */
  attributeBytes: number;
}

/** The journal must not outgrow what can be written: by then the container may be gone. */
const mostMoreAttributes = 16 * 1024 * 1024;

export function startState({ idMaps }: Manifest): DumpState {
  return { ids: idMaps && parseIdMaps(idMaps), attributeBytes: mostMoreAttributes };
}

/**
 * Mode and owner are of one stat: a setuid bit must not meet an owner of before. Attributes that cannot be
 * had any more are no reason to lose the bytes: the container may be gone.
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
    context.log.warn(`extended attributes and flags of ${nameOf(entry)} are those of before: ${why}`);
}

/** @returns why they stay what they were, where they do */
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

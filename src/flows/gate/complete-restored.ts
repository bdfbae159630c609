/** Gives restored ghosts their space, xattrs, flags and times before their processes go on. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, reasonOf } from '../../base/errors.js';
import { isInMemory } from '../../base/filesystems.js';
import { isSameInode } from '../../base/host/identity.js';
import { countFromJson } from '../../base/units.js';
import type { Ghost } from '../../ghost/ghost.js';
import { resolvePolicy } from '../../oci/policy.js';
import { readConfig } from '../container/policy.js';
import type { Context } from '../context.js';
import { type AllocationRoom, allocateAgain } from '../restore/allocation.js';
import { applyMetadata } from '../restore/metadata.js';

/**
 * The longest time that allocating may take, because the processes are stopped meanwhile. Allocating space
 * that the disk has takes far less.
 */
export const allocationMs = 60_000;

/**
 * True if the ghost had allocated space that is to be restored. If the dump does not know where, the space is
 * reported as lost.
 */
export function hasAllocation({ linked, data, allocated }: ManifestGhost): boolean {
  if (linked) return false;
  return data?.allocation ? data.allocation.length > 0 : countFromJson(allocated) > 0n;
}

/**
 * Allocates a ghost's space again. Call this before completeGhost. It opens a second descriptor, for writing,
 * and only this step needs such a one: a running executable, for example, cannot be opened for writing.
 * @returns the parts that could not be restored, each with the reason
 */
export function allocateGhost(
  context: Context,
  found: Ghost,
  entry: ManifestGhost,
  room: AllocationRoom | undefined,
  until: number,
): string[] {
  if (!room) return ["allocation (the host's reserve is not known)"];
  // The kernel would charge this memory to the helper's cgroup, not the container's.
  if (isInMemory(found.filesystem))
    return [`allocation (in a ${found.filesystem} it would be the host's memory)`];
  const part = { what: 'allocation', writable: entry.data?.allocation !== undefined };
  return throughPin(context, found, part, fd => allocateAgain(context, fd, entry, room, until));
}

/** @returns undefined if config.json is wrong; CRIU restores the container all the same */
export function roomOfHost(context: Context): AllocationRoom | undefined {
  try {
    return { keepFree: resolvePolicy(readConfig(context)).reserve, byImage: new Map() };
  } catch (error) {
    context.log.warn(reasonOf(error));
    return undefined;
  }
}

export function completeGhost(context: Context, found: Ghost, entry: ManifestGhost): string[] {
  // CRIU sets owner and mode of a restored ghost. The ghost lies in the container's own mounts, like the
  // files that CRIU restores with all rights that the image names. So it also gets its `trusted.*` and
  // `security.*` xattrs, file capabilities among them: SECURITY.md.
  const request = { parts: ['xattrs', 'times', 'flags'], allowPrivileged: true } as const;
  const part = { what: 'metadata', writable: false };
  return throughPin(context, found, part, fd => applyMetadata(context.host, fd, entry, request).missing);
}

/** @returns the result of ACT, or a line that says why it could not be done */
function throughPin(
  { host: { processes } }: Context,
  found: Ghost,
  { what, writable }: { what: string; writable: boolean },
  act: (fd: number) => string[],
): string[] {
  const [holder] = found.holders;
  if (!holder) return [];
  let fd: number | undefined;
  try {
    fd = processes.pin(holder.pid, holder.link, writable);
    // We set file capabilities, too, so this must be the ghost and no other file.
    if (!isSameInode(processes.statPin(fd), found.stat)) return [`${what} (its holder has another file now)`];
    return act(fd);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [`${what} (${reasonOf(error)})`];
  } finally {
    if (fd !== undefined) processes.unpin(fd);
  }
}

/** What the helper of the CRIU plugin does at restore: before CRIU reads the image, and before the processes go on. */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { countFromJson } from '../../base/units.js';
import { findGhosts } from '../../ghost/find/find.js';
import { type Ghost, pathOf } from '../../ghost/ghost.js';
import { isInMemory } from '../../ghost/mounts/filesystems.js';
import { manifestName } from '../../image/layout.js';
import { readJournal, readManifest } from '../../image/manifest.js';
import { resolvePolicy } from '../../oci/policy.js';
import { readConfig } from '../container/policy.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { type AllocationRoom, allocateAgain } from '../restore/allocation.js';
import { applyMetadata } from '../restore/metadata.js';
import { type FindSource, recreateLinked } from '../restore/recreate-linked.js';
import { assertUndamaged, verify } from '../restore/verify.js';
import { isOfThisCheckpoint, isOurs, sealImages } from '../seal/seal.js';

/** The processes stand still meanwhile; allocating what is there takes far less. */
const allocationMs = 60_000;

export class GateRestore {
  constructor(
    private readonly context: Context,
    private readonly images: string,
    private readonly findSource: FindSource,
  ) {}

  check(): Promise<void> {
    return checkBeforeRestore(this.context, this.images, this.findSource);
  }

  /**
   * PID and all others that CRIU traces are restored and do not run yet: their ghosts get what CRIU's image cannot
   * hold. CRIU opened them by the names they had, so name and size tell them apart; where two have the same, nothing
   * is guessed. Space comes back only where `materialize` wrote that wish into the manifest.
   */
  async resumed(pid: number): Promise<void> {
    const { host, log, alive } = this.context;
    if (!isOurs(host.files, this.images)) return;
    const manifest = readManifest(host.files, this.images);
    if (!isOfThisCheckpoint(host.files, this.images, manifest)) return;
    const restored = findGhosts(host.processes, tracedWith(host.processes, pid), alive).ghosts;
    const lost = new Set(manifest.preserveAllocation ? manifest.ghosts.filter(hasAllocation) : []);
    const room = lost.size > 0 ? roomOfHost(this.context) : undefined;
    const until = host.clock() + allocationMs;
    for (const { found, entry } of pairs(manifest.ghosts, restored)) {
      alive?.();
      const unallocated = lost.delete(entry) ? allocateGhost(this.context, found, entry, room, until) : [];
      const missing = [...unallocated, ...completeGhost(this.context, found, entry)];
      if (missing.length > 0) log.warn(`could not set ${missing.join(', ')} of ${entry.path} again`, { pid });
    }
    for (const { path } of lost)
      log.warn(`could not set allocation of ${path} again: no file is certain to be this one`, { pid });
  }
}

/**
 * Finish an interrupted seal, refuse what would not come back whole, and make linked ghosts again.
 * @param findSource where external mounts of the container come from on this host
 */
export async function checkBeforeRestore(
  context: Context,
  images: string,
  findSource: FindSource,
): Promise<void> {
  const { files } = context.host;
  if (!isOurs(files, images)) return;
  if (readJournal(files, images))
    await asOwner(context, images, owned => sealImages(context, owned, false), { waitMs: 10_000 });
  if (!isOfThisCheckpoint(files, images, readManifest(files, images))) {
    await acceptForeign(context, images);
    return;
  }
  assertUndamaged(
    await verify(context, images, { settled: false }),
    `cannot restore from ${files.realPath(images)}`,
  );
  await recreateLinked(context, images, readManifest(files, images), findSource);
}

/**
 * A changed inventory.img would turn all checks off, so that whoever changes it would decide that nothing is checked.
 * Only the host's policy can say so.
 * @throws IMAGE_MISMATCH
 */
async function acceptForeign(context: Context, images: string): Promise<void> {
  const where = context.host.files.realPath(images);
  const what = `inventory.img in ${where} is not that of the checkpoint which ghostkeep's manifest there describes`;
  // Loaded here: a restore waits for every file that is loaded, and mostly this is not asked.
  const { configPath, readConfig } = await import('../container/policy.js');
  if (readConfig(context).acceptChangedInventory) {
    context.log.warn(`${what}: nothing is checked, as \`acceptChangedInventory\` in ${configPath} says`);
    return;
  }
  throw new GhostkeepError(
    'IMAGE_MISMATCH',
    'inventory.img',
    `cannot restore from ${where}: ${what}. If CRIU alone has written another checkpoint there since, remove ${where}/${manifestName}; if a tool has rewritten only inventory.img, \`ghostkeep materialize -D ${where} --accept-changed-inventory\``,
  );
}

/** All that CRIU holds stopped: PID stands for them (native/gate/PROTOCOL.md). */
function tracedWith(processes: ProcessView, pid: number): number[] {
  const tracer = processes.tracer(pid);
  if (tracer === 0) return [pid];
  return processes.listPids().filter(other => {
    try {
      return processes.tracer(other) === tracer;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  });
}

/** Those that only one entry and one file can mean. Linear: there may be 10,000 of each, and they stand still. */
function pairs(
  entries: readonly ManifestGhost[],
  restored: readonly Ghost[],
): { found: Ghost; entry: ManifestGhost }[] {
  const entriesAt = new Map<string, Set<ManifestGhost>>();
  for (const entry of entries) {
    for (const mark of marksOf(entry)) {
      const same = entriesAt.get(mark);
      if (same) same.add(entry);
      else entriesAt.set(mark, new Set([entry]));
    }
  }
  const filesAt = new Map<string, number>();
  const candidates = restored.filter(found => found.class !== 'linked');
  for (const found of candidates) filesAt.set(markOf(found), (filesAt.get(markOf(found)) ?? 0) + 1);
  return candidates.flatMap(found => {
    const [entry, ...others] = entriesAt.get(markOf(found)) ?? [];
    if (!entry || others.length > 0) return [];
    const files = marksOf(entry).reduce((sum, mark) => sum + (filesAt.get(mark) ?? 0), 0);
    return files === 1 ? [{ found, entry }] : [];
  });
}

function markOf(found: Ghost): string {
  return `${found.stat.size} ${pathOf(found).toString('latin1')}`;
}

/**
 * One for each name it may have been opened by: where a live file has the name by now, CRIU opens the ghost by another.
 * Source: CRIU files-reg.c, open_path: `NAME.cr_link`.
 */
function marksOf({ linked, size, paths }: ManifestGhost): string[] {
  if (linked) return [];
  const names = paths.map(place => pathFromText(place).toString('latin1'));
  return [...new Set(names.flatMap(name => [name, `${name}.cr_link`]))].map(
    name => `${countFromJson(size)} ${name}`,
  );
}

/** What the map did not tell is worth a word, too: it does not come back. */
function hasAllocation({ linked, data, allocated }: ManifestGhost): boolean {
  if (linked) return false;
  return data?.allocation ? data.allocation.length > 0 : countFromJson(allocated) > 0n;
}

/** Before completeGhost, and by a descriptor of its own: a running executable, say, cannot be opened for writing. */
function allocateGhost(
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
  const writable = entry.data?.allocation !== undefined;
  return throughPin(context, found, 'allocation', writable, fd =>
    allocateAgain(context, fd, entry, room, until),
  );
}

/** Undefined where config.json is wrong: without it CRIU restores all the same. */
function roomOfHost(context: Context): AllocationRoom | undefined {
  try {
    return { keepFree: resolvePolicy(readConfig(context)).reserve, byImage: new Map() };
  } catch (error) {
    context.log.warn(reasonOf(error));
    return undefined;
  }
}

function completeGhost(context: Context, found: Ghost, entry: ManifestGhost): string[] {
  // What CRIU restores beside them has the rights that the image says, and these lie in the container's own mounts: SECURITY.md.
  const request = { parts: ['xattrs', 'times', 'flags'], allowPrivileged: true } as const;
  return throughPin(
    context,
    found,
    'metadata',
    false,
    fd => applyMetadata(context.host, fd, entry, request).missing,
  );
}

/** @returns what ACT does, or what could not be done at all */
function throughPin(
  { host: { processes } }: Context,
  found: Ghost,
  what: string,
  writable: boolean,
  act: (fd: number) => string[],
): string[] {
  const [holder] = found.holders;
  if (!holder) return [];
  let fd: number | undefined;
  try {
    fd = processes.pin(holder.pid, holder.link, writable);
    // What is set here is this file's alone, set-id bits too.
    if (!isSameInode(processes.statPin(fd), found.stat)) return [`${what} (its holder has another file now)`];
    return act(fd);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [`${what} (${reasonOf(error)})`];
  } finally {
    if (fd !== undefined) processes.unpin(fd);
  }
}

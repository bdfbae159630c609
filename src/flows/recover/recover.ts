/**
 * Brings files back that were deleted and are still open, while their processes go on. Their content is
 * copied as it is at that moment, so a file that is being written may come back torn, and then we say so.
 */
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { safePath } from '../../base/text/safe-name.js';
import { countToJson, showBytes } from '../../base/units.js';
import { findWriters } from '../../ghost/find/writers.js';
import { type Ghost, pathOf, showGhost, showIdentity } from '../../ghost/ghost.js';
import { internalName } from '../../ghost/links.js';
import { resolvePolicy } from '../../oci/policy.js';
import { chooseGhosts } from '../choose/choose.js';
import { type LeftOut, leaveGhost } from '../choose/left-out.js';
import { type PinnedGhost, pinGhosts, unpinGhosts } from '../choose/pin.js';
import { type Context, whenMoving } from '../context.js';
import { describeGhost } from '../dump/describe.js';
import { type Folder, makeFile, nameFile, type RestoredGhost } from '../restore/make-file.js';
import { clearPartials } from '../restore/partial-files.js';
import { openTarget } from '../restore/target-folder.js';
import { assertNamedWereSeen } from '../scan/named.js';
import { type Selection, selectPids } from '../scan/select.js';
import { dataAtMost, searchGhosts } from '../steps.js';

export interface RecoverRequest {
  selection: Selection;
  to: string;
  /** Make the folders of the file's old path below TO, too. */
  paths?: boolean;
  /** Bytes to leave free in TO: the host's policy. */
  reserve?: bigint;
  allowPrivileged?: boolean;
  unfinished?: Set<string>;
}

export interface Recovered extends RestoredGhost {
  /** Why the copy may be torn; undefined where nothing wrote to the file meanwhile. */
  torn?: string;
}

export interface Recovery {
  recovered: Recovered[];
  failures: GhostkeepError[];
  /** Files that could not be copied or looked at, described as a dump without CRIU describes them. */
  leftOut: LeftOut[];
}

/**
 * Copies the deleted files of the chosen processes into TO.
 * @throws NOT_FOUND where a process does not exist, or none holds a deleted file; PERMISSION for TO, or if a
 * process that was named may not be looked at
 */
export async function recoverFiles(context: Context, request: RecoverRequest): Promise<Recovery> {
  const { processes } = context.host;
  const found = searchGhosts(context, selectPids(context.host, request.selection));
  assertNamedWereSeen(found.unseen, request.selection.pids ?? []);
  const policy = resolvePolicy({ enabled: true, allowMissing: true });
  const { chosen, leftOut } = chooseGhosts(context, found, { policy, criu: false });
  const files = chosen.filter(hadName);
  if (files.length === 0 && leftOut.length === 0) throw nothingThere();
  const failures: GhostkeepError[] = [];
  const pinned = files.flatMap(ghost => pinOne(context, ghost, leftOut, failures));
  try {
    const recovered = await recoverPinned(context, request, pinned, failures);
    return { recovered, failures, leftOut };
  } finally {
    unpinGhosts(processes, pinned);
  }
}

/** False for a memfd: it is content of its processes, and nobody has deleted it. */
function hadName(ghost: Ghost): boolean {
  return !(ghost.mounts.every(({ dev }) => dev === undefined) && internalName(pathOf(ghost)));
}

/**
 * Opens a descriptor of ours on the file. The caller does this for all files before it copies the first,
 * because a process may close its file meanwhile.
 */
function pinOne(
  { host: { processes } }: Context,
  ghost: Ghost,
  leftOut: LeftOut[],
  failures: GhostkeepError[],
): PinnedGhost[] {
  try {
    return pinGhosts(processes, [ghost], (left, why) => leftOut.push(leaveGhost(left, why)));
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    failures.push(error);
    return [];
  }
}

async function recoverPinned(
  context: Context,
  request: RecoverRequest,
  pinned: readonly PinnedGhost[],
  failures: GhostkeepError[],
): Promise<Recovered[]> {
  const { host } = context;
  // A folder that cannot be used is one error, and not one for each file.
  if (pinned.length > 0) host.files.close(openTarget(host, request.to, 'recover'));
  const writers = new Map<Ghost, number>();
  for (const { pid, ghosts } of findWriters(
    host.processes,
    pinned.map(({ ghost }) => ghost),
    [],
    context.alive,
  ))
    for (const ghost of ghosts) writers.set(ghost, pid);
  const recovered: Recovered[] = [];
  context.progress?.begin({
    what: 'copying',
    item: 'file',
    items: pinned.length,
    bytes: () => dataAtMost(pinned),
  });
  for (const [index, each] of pinned.entries()) {
    context.alive?.();
    try {
      recovered.push(await recoverOne(context, request, each, index + 1, writers.get(each.ghost)));
    } catch (error) {
      if (!(error instanceof GhostkeepError)) throw error;
      failures.push(error);
    }
    context.progress?.did();
  }
  return recovered;
}

async function recoverOne(
  context: Context,
  { to, paths = false, reserve = 0n, allowPrivileged = false, unfinished = new Set() }: RecoverRequest,
  pinned: PinnedGhost,
  id: number,
  writer: number | undefined,
): Promise<Recovered> {
  const { host } = context;
  const { folder: below, name } = safePath(pathOf(pinned.ghost));
  const place = paths && below !== '' ? `${to}/${below}` : to;
  const folderFd = openTarget(host, place, 'recover');
  try {
    const folder = `/proc/self/fd/${folderFd}`;
    const target: Folder = { to: place, folder, allowPrivileged, unfinished };
    clearPartials(context, folder, place);
    assertRoom(context, folderFd, pinned, folder, reserve, place);
    const free = freeName(context, folder, name, pinned.ghost);
    const recovered = await copyUntilWhole(context, target, pinned, id, free);
    host.files.syncFolder(folder);
    return writer === undefined
      ? recovered
      : { ...recovered, torn: `process ${writer} can change it through a mapping, which nothing shows` };
  } finally {
    host.files.close(folderFd);
  }
}

/** The file gets its old name, or that with its inode number if FOLDER has a file of the old name already. */
function freeName({ host: { files } }: Context, folder: string, name: string, { stat }: Ghost): string {
  return files.exists(`${folder}/${name}`) ? `${name}.ghost-${stat.ino}` : name;
}

/** How often a file is copied at most. If it becomes shorter meanwhile, the copy fails and is begun again. */
const mostAttempts = 5;

async function copyUntilWhole(
  context: Context,
  target: Folder,
  pinned: PinnedGhost,
  id: number,
  name: string,
): Promise<Recovered> {
  const { host } = context;
  const action = `cannot recover ${showGhost(pinned.ghost)} to ${target.to}/${name}`;
  for (let attempt = 1; ; attempt += 1) {
    const before = host.processes.statPin(pinned.fd);
    const startNs = BigInt(host.now().getTime()) * 1_000_000n;
    const { linked: _, ...ghost } = describeGhost(context, { ...pinned, stat: before }, ownIds, id, name);
    let isCut = false;
    const explain = (error: unknown) => {
      isCut = errnoOf(error) === 'ESTALE';
      return errnoOf(error) === undefined ? error : translate(error, 'IO', showIdentity(before), action);
    };
    const fill = async (fd: number) => {
      await host.engine.copy(pinned.fd, fd, before.size, whenMoving(context));
      return [];
    };
    try {
      const made = await makeFile(context, target, { name, ghost, action, fill, explain });
      const torn = whatChanged(before, host.processes.statPin(pinned.fd), startNs);
      const restored = await nameFile(context, target, made);
      return { ...restored, ...(torn === undefined ? {} : { torn }) };
    } catch (error) {
      if (!isCut || attempt === mostAttempts) throw error;
    }
  }
}

/** Leaves user and group ids as they are on this host. */
const ownIds = { uid: (id: number) => id, gid: (id: number) => id };

/** The kernel gives times in steps of one tick, so a write in the same step leaves the time as it was. */
const tickNs = 20_000_000n;

function whatChanged(before: FileStat, after: FileStat, startNs: bigint): string | undefined {
  if (after.size > before.size)
    return `${showBytes(after.size - before.size)} were written behind its end while it was copied, or after that`;
  if (after.size < before.size) return 'it was cut off while it was copied';
  if (after.mtimeNs !== before.mtimeNs) return 'it was written to while it was copied';
  return before.mtimeNs > startNs - tickNs
    ? 'it was written to just before it was copied, and perhaps meanwhile'
    : undefined;
}

/** File systems on which two files can share blocks. */
const sharing = new Set(['xfs', 'btrfs', 'bcachefs']);

/**
 * Asserts that the copy fits. The disk may be full because of these very files, and their container needs the
 * rest of it. Where blocks are shared, a copy takes no room.
 */
function assertRoom(
  { host: { files } }: Context,
  folderFd: number,
  { stat, ghost: { filesystem } }: PinnedGhost,
  folder: string,
  reserve: bigint,
  to: string,
): void {
  const free = files.freeBytes(folder);
  const needed = stat.allocated;
  const isShared = sharing.has(filesystem) && files.stat(folderFd).dev === stat.dev;
  if (free === undefined || free >= needed + reserve || isShared) return;
  throw new GhostkeepError(
    'NO_SPACE',
    to,
    `cannot recover ghost ${showIdentity(stat)} to ${to}: no space left; ${showBytes(needed + reserve)} needed, ${showBytes(free)} free; name another file system with --to`,
  );
}

function nothingThere(): GhostkeepError {
  return new GhostkeepError(
    'NOT_FOUND',
    'recover',
    'cannot recover anything: the processes hold no file that was deleted; `ghostkeep scan` lists who holds one',
  );
}

/** The sizes of what came back, for people and scripts. */
export const toResult = ({ path, ghost, torn, missing, withheld }: Recovered) => ({
  file: path,
  path: ghost.path,
  ...(ghost.pathBytes === undefined ? {} : { pathBytes: ghost.pathBytes }),
  size: countToJson(BigInt(ghost.size)),
  ...(torn === undefined ? {} : { torn }),
  ...(missing.length === 0 ? {} : { missing }),
  ...(withheld.length === 0 ? {} : { withheld }),
});

/**
 * An image directory has one owner at a time, from the first look into it to the last rename. A flow that
 * writes there becomes its owner before it removes anything; a flow that only reads does not.
 *
 * The lock is the kernel's (src/host/files/lock.ts): it leaves nothing in the directory and ends with its
 * holder. `ghostkeep checkpoint` and the gate let it go while CRIU writes: the gate may be installed beside
 * `ghostkeep checkpoint`, and with --lazy-pages a receiver may seal the directory before CRIU has ended. The
 * journal names the process that is still to finish the dump (`heldBy`), and nobody begins another dump while
 * that process lives.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';
import { toPrintable } from '../../base/text/printable.js';
import { readJournal } from '../../image/manifest.js';
import { startTimeOf } from '../container/sessions.js';
import type { Context } from '../context.js';

export interface OwnerOptions {
  /** The processes that started us: a lock that one of them holds counts as ours. */
  family?: readonly number[];
  /** How long to wait for another owner that may be about to end. */
  waitMs?: number;
  /**
   * The caller begins another dump. So it is kept away not only by a lock, but also by a living process that
   * is still to finish the dump there.
   */
  begins?: boolean;
}

const tryEveryMs = 100;
const longestCommand = 200;

export interface Owned {
  /** The path of the directory itself: its name may lead to another directory by the time the work ends. */
  images: string;
  /**
   * False if nothing keeps others away: the file system has no locks, or the lock belongs to a process that
   * started us.
   */
  isLocked: boolean;
  letGo(): void;
}

/**
 * Does WORK as the owner of IMAGES.
 * @param work is given the path to write by, and whether the directory is locked
 * @throws IN_USE, before work is called
 */
export async function asOwner<T>(
  context: Context,
  images: string,
  work: (images: string, owned: Pick<Owned, 'isLocked'>) => T | Promise<T>,
  options: OwnerOptions = {},
): Promise<T> {
  const owned = await becomeOwner(context, images, options);
  try {
    return await work(owned.images, owned);
  } finally {
    owned.letGo();
  }
}

/** Becomes the owner of IMAGES. The caller calls `letGo` at the end. @throws IN_USE */
export async function becomeOwner(
  context: Context,
  images: string,
  { family = familyOf(context.host.processes), waitMs = 0, begins = false }: OwnerOptions = {},
): Promise<Owned> {
  const { files } = context.host;
  const unlocked = { images, isLocked: false, letGo: () => {} };
  for (let waitedMs = 0; ; waitedMs += tryEveryMs) {
    const lock = tryLock(context, images);
    const owned =
      typeof lock === 'object'
        ? { images: lock.path, isLocked: true, letGo: () => files.close(lock.fd) }
        : unlocked;
    // lockHolder reads all descriptors of our family, and a container engine among them may have many. So it
    // is not called at each try.
    const looks = waitedMs === 0 || waitedMs >= waitMs;
    const locker = lock === undefined && looks ? files.lockHolder(images, family) : undefined;
    const isLockedByUs = lock !== undefined || (locker !== undefined && family.includes(locker));
    const holder = isLockedByUs && begins ? holderOf(context, images) : undefined;
    const isHeld = holder !== undefined && !family.includes(holder);
    if (isLockedByUs && !isHeld) {
      // A process that started us, such as flock(1), holds the lock so that we may write there.
      if (locker !== undefined)
        context.log.info(
          `${files.realPath(images)} is locked by process ${locker}, which started us: the lock does not keep away other programs that it starts`,
        );
      return owned;
    }
    owned.letGo();
    if (waitedMs >= waitMs)
      throw isHeld
        ? inUse(context, images, holder, 'is still to finish a dump there')
        : inUse(context, images, locker, 'is writing there');
    context.alive?.();
    await sleep(tryEveryMs);
  }
}

/**
 * @returns 'none' if the directory cannot be locked: a dump that would succeed without a lock must not fail
 * for lack of one; undefined if another process holds the lock
 */
function tryLock({ host: { files }, log }: Context, images: string) {
  try {
    return files.lock(images);
  } catch (error) {
    const errno = errnoOf(error);
    // If there is no such directory, the flow that needs it reports that better.
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR')
      log.warn(
        `${files.realPath(images)} cannot be locked (${errno ?? reasonOf(error)}): nothing keeps another ghostkeep from writing there, too`,
      );
    return 'none' as const;
  }
}

/** @returns the pid of the living process that the journal in IMAGES waits for */
export function holderOf({ host: { files, processes } }: Context, images: string): number | undefined {
  let heldBy: Manifest['heldBy'];
  try {
    ({ heldBy } = readJournal(files, images) ?? {});
  } catch {
    // If nobody can read the journal, nobody can finish its dump.
    return undefined;
  }
  return heldBy && startTimeOf(processes, heldBy.pid) === heldBy.startTime ? heldBy.pid : undefined;
}

/** PID, the process that started it, and so on up to the first process. */
export function familyOf(processes: ProcessView, pid = processes.self()): number[] {
  const family: number[] = [];
  try {
    for (let at = pid; at > 0 && !family.includes(at); at = processes.parent(at)) family.push(at);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
  return family;
}

function inUse(
  { host: { files, processes } }: Context,
  images: string,
  holder: number | undefined,
  does: string,
): GhostkeepError {
  const where = files.realPath(images);
  return new GhostkeepError(
    'IN_USE',
    where,
    `cannot use ${where}: ${nameOf(processes, holder)} ${does}; wait until it has ended, or choose another directory`,
  );
}

function nameOf(processes: ProcessView, pid: number | undefined): string {
  // /proc/locks may be hidden, or the lock was made in another container or on another host.
  if (pid === undefined) return 'another process, which the kernel does not name,';
  try {
    const command = processes.commandLine(pid).join(' ').slice(0, longestCommand);
    return `process ${pid} (${toPrintable(command)})`;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return `another process, which was given the lock of process ${pid},`;
  }
}

/**
 * Lists the files on a /dev/shm that comes from outside the container. We look at the place where the host
 * has it mounted, because a path of the container may lead over a server that is frozen with the container.
 */
import { errnoOf } from '../../base/errors.js';
import { isSocket } from '../../base/host/file-type.js';
import type { FileStat, Mount, ProcessView } from '../../base/host/host.js';
import { findOnHost } from './on-host.js';

/** The first look of the gate has the same value: native/gate/look/mounts.c. */
export const shmPath = Buffer.from('/dev/shm');

/**
 * We look at this many entries at most, besides those that the container holds. That takes some 10 ms, in
 * which the container is frozen.
 */
const mostEntries = 1000;
/** A dump is refused if the container holds more, so we need not look at more (pin-named.ts). */
const mostHeld = 4000;

/** A file system that a process has at /dev/shm, and that comes from outside its container. */
export interface SharedShm {
  dev: bigint;
  /** Where we see it; undefined where that is not known. */
  folder: Buffer | undefined;
  /** True for the host's own /dev/shm, where any program of the host may have files. */
  isHosts: boolean;
}

export interface OnShm {
  /** The path by which the container knows the file. */
  path: Buffer;
  stat: FileStat;
}

export interface ShmList {
  /** The folder /dev/shm itself is one of them. */
  files: OnShm[];
  /** False where there may be more. */
  complete: boolean;
}

/** Could a file be lost because no process holds it? A socket that nobody holds is of no use. */
export function mayClose({ path, stat }: OnShm): boolean {
  return !path.equals(shmPath) && !isSocket(stat.mode);
}

export const pairOf = ({ stat }: { stat: Pick<FileStat, 'dev' | 'ino'> }) => `${stat.dev}/${stat.ino}`;

/**
 * @param dev of a file system that both PID and we (OURS) have mounted. PID has it at /dev/shm
 * @returns undefined where PID has another mount on top of it
 */
export function findShm(
  processes: ProcessView,
  ours: readonly Mount[],
  pid: number,
  dev: bigint,
): SharedShm | undefined {
  try {
    const theirs = processes.mounts(pid).findLast(({ mountPoint }) => mountPoint.equals(shmPath));
    if (theirs?.dev !== dev) return undefined;
    const places = ours.flatMap(mount => {
      const place = findOnHost([mount], theirs, shmPath);
      if (!place) return [];
      const {
        name,
        mount: { mountPoint },
      } = place;
      return [name.length === 0 ? mountPoint : Buffer.concat([mountPoint, Buffer.from('/'), name])];
    });
    const isHosts = places.some(place => place.equals(shmPath));
    return { dev, folder: isHosts ? shmPath : places[0], isHosts };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return { dev, folder: undefined, isHosts: false };
  }
}

/** @param held how many of the files there the container holds, at least */
export function listShm(processes: ProcessView, { dev, folder }: SharedShm, held: number): ShmList {
  const nothing: ShmList = { files: [], complete: false };
  if (!folder) return nothing;
  const limit = mostEntries + Math.min(held, mostHeld);
  try {
    const { files, complete } = processes.filesIn(processes.self(), folder, limit);
    // If a file is on another device, another mount of the host hides the folder.
    if (files.some(({ stat }) => stat.dev !== dev)) return nothing;
    const named = files.map(({ path, stat }) => ({
      path: Buffer.concat([shmPath, path.subarray(folder.length)]),
      stat,
    }));
    return { files: named, complete };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return nothing;
  }
}

/**
 * Lists what lies on a /dev/shm that comes from outside the container. We look at it where the host has it,
 * because a path of the container may lead over a server that is frozen with it.
 */
import { errnoOf } from '../../base/errors.js';
import type { FileStat, Mount, ProcessView } from '../../base/host/host.js';
import { findOnHost } from './on-host.js';

/** The look of the gate has the same: native/gate/look/mounts.c. */
export const shmPath = Buffer.from('/dev/shm');

/** The container is frozen meanwhile. To look at this many takes some 10 ms. */
const mostEntries = 1000;

/** A file system that a process has at /dev/shm, and that comes from outside its container. */
export interface SharedShm {
  dev: bigint;
  /** Where we see it; undefined where that is not known. */
  folder: Buffer | undefined;
  /** It is the host's own /dev/shm, where any program of the host may have files. */
  isHosts: boolean;
}

export interface OnShm {
  /** By which the container knows it. */
  path: Buffer;
  stat: FileStat;
}

export interface ShmList {
  /** With the folder /dev/shm itself. */
  files: OnShm[];
  /** False where there may be more. */
  complete: boolean;
}

/**
 * @param dev of a file system that PID and we (OURS) have mounted, PID at /dev/shm
 * @returns undefined where another mount hides it
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

export function listShm(processes: ProcessView, { dev, folder }: SharedShm): ShmList {
  const nothing: ShmList = { files: [], complete: false };
  if (!folder) return nothing;
  try {
    const { files, complete } = processes.filesIn(processes.self(), folder, mostEntries);
    // Another mount of the host may hide this one.
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

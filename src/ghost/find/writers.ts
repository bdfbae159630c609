/**
 * Finds processes that may change a ghost without a trace. A store through a shared mapping does not change
 * mtime while the page is writable. So a copy made meanwhile may be torn, and nothing shows it.
 */
import { errnoOf } from '../../base/errors.js';
import { groupBy } from '../../base/group-by.js';
import type { FileMap, ProcessView } from '../../base/host/host.js';
import { isSameInode } from '../../base/host/identity.js';
import type { Ghost } from '../ghost.js';
import { parseLabel } from './unseen.js';

export interface Writer {
  pid: number;
  ghosts: Ghost[];
}

/**
 * Finds all running processes that have one of GHOSTS mapped shared and writable, whether the process is
 * dumped or not. A process that we may not look at is left out.
 */
export function findWriters(
  processes: ProcessView,
  ghosts: readonly Ghost[],
  pids: readonly number[],
  alive = () => {},
): Writer[] {
  if (ghosts.length === 0) return [];
  const byKey = groupBy(
    ghosts.flatMap(ghost => keysOf(ghost).map(key => ({ key, ghost }))),
    ({ key }) => key,
    ({ ghost }) => ghost,
  );
  const dumped = new Set(pids);
  const writers: Writer[] = [];
  for (const pid of processes.listPids()) {
    alive();
    // Most dumped processes are paused, so we check that first. Most other processes map none of the ghosts,
    // so we read their maps first.
    if (dumped.has(pid) && processes.isPaused(pid)) continue;
    const mapped = mapsOf(processes, pid).flatMap(map => ghostsOf(processes, pid, map, byKey));
    if (mapped.length === 0 || (!dumped.has(pid) && processes.isPaused(pid))) continue;
    writers.push({ pid, ghosts: [...new Set(mapped)] });
  }
  return writers;
}

/** A ghost is looked up by two devices: maps shows that of the file system, and stat may show another one. */
function keysOf({ stat, mounts }: Ghost): string[] {
  return [...new Set([stat.dev, ...mounts.flatMap(({ dev }) => dev ?? [])])].map(dev => `${dev}/${stat.ino}`);
}

function mapsOf(processes: ProcessView, pid: number): FileMap[] {
  try {
    return processes.writableShared(pid);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

function ghostsOf(
  processes: ProcessView,
  pid: number,
  { label, address }: FileMap,
  byKey: ReadonlyMap<string, Ghost[]>,
): Ghost[] {
  const { dev, ino } = parseLabel(label);
  const ghosts = byKey.get(`${dev}/${ino}`);
  if (!ghosts) return [];
  try {
    const stat = processes.stat(pid, `map_files/${address}`);
    return ghosts.filter(ghost => isSameInode(ghost.stat, stat));
  } catch (error) {
    // If we may not look through the mapping, we judge by its label.
    if (errnoOf(error) === undefined) throw error;
    return ghosts;
  }
}

import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { ProcessView } from '../../base/host/host.js';

/** The processes that a command is about. Exactly one of the fields is set. */
export interface Selection {
  pids?: readonly number[];
  /** This process and its descendants. */
  tree?: number;
  container?: string;
  cgroup?: string;
  all?: boolean;
}

/** @throws NOT_FOUND when a container or cgroup has no process */
export function selectPids(processes: ProcessView, selection: Selection): number[] {
  if (selection.all) return processes.listPids();
  if (selection.cgroup !== undefined)
    return assertSome(processes.cgroupPids(selection.cgroup), `cgroup ${selection.cgroup}`);
  if (selection.container !== undefined)
    return assertSome(pidsOfContainer(processes, selection.container), `container ${selection.container}`);
  if (selection.tree !== undefined)
    return assertSome(treeOf(processes, selection.tree), `process ${selection.tree}`);
  return [...(selection.pids ?? [])];
}

function treeOf(processes: ProcessView, pid: number): number[] {
  try {
    return processes.tree(pid);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

/**
 * Runtimes put these before an id. libpod-conmon- is not one: that is podman's monitor, outside the
 * container.
 */
const prefix = /^(libpod|crio|cri-containerd|containerd|docker|nerdctl|crun|runc)-/;

/**
 * Finds a container's processes by cgroup. Runtimes name the cgroup after the id (`/ID`, `libpod-ID`,
 * `crio-ID.scope`, `cri-containerd-ID.scope`, `docker-ID.scope`). The first 12 or more digits of the id are
 * enough.
 */
export function pidsOfContainer(processes: ProcessView, id: string): number[] {
  return processes.listPids().filter(pid => {
    try {
      return processes.cgroupsOf(pid).some(path => path.split('/').some(part => isNamedAfter(part, id)));
    } catch {
      return false;
    }
  });
}

function isNamedAfter(part: string, id: string): boolean {
  const own = part.replace(/\.scope$/, '').replace(prefix, '');
  return (id !== '' && own === id) || (id.length >= 12 && own.startsWith(id) && /^[0-9a-f]+$/.test(own));
}

function assertSome(pids: number[], what: string): number[] {
  if (pids.length > 0) return pids;
  throw new GhostkeepError(
    'NOT_FOUND',
    what,
    `cannot look at ${what}: no process is in it; is it running, and is the name complete?`,
  );
}

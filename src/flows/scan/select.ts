/** The processes that a command is about. All commands that choose processes do it in the same words. */
import { GhostkeepError } from '../../base/errors.js';
import type { Host, ProcessView } from '../../base/host/host.js';
import { showSome } from '../../base/text/show-some.js';
import { cgroupPath, isIn, levelsOf, withoutBackslashes } from '../container/cgroup-path.js';
import { isCgroupOf, knownContainers } from '../container/known.js';

/** Exactly one of the fields is set. */
export interface Selection {
  pids?: readonly number[];
  /** This process and all its descendants. */
  tree?: number;
  /** Name or id. */
  container?: string;
  cgroup?: string;
  all?: boolean;
}

type Machine = Pick<Host, 'processes' | 'files' | 'uid'>;

/** @throws NOT_FOUND when a container, cgroup or tree has no process; BAD_INPUT when a name is not unique */
export function selectPids(host: Machine, selection: Selection): number[] {
  const { processes } = host;
  if (selection.all) return processes.listPids();
  if (selection.cgroup !== undefined)
    return assertSome(pidsOfCgroup(host, selection.cgroup), `cgroup ${selection.cgroup}`);
  if (selection.container !== undefined)
    return assertSome(pidsOfContainer(host, selection.container), `container ${selection.container}`);
  if (selection.tree !== undefined) return treeOf(processes, selection.tree);
  return [...(selection.pids ?? [])];
}

/**
 * Finds a container's processes by its cgroup, which the runtime has named after the id or noted in a record.
 * Twelve digits of an id are enough.
 */
export function pidsOfContainer(host: Machine, name: string): number[] {
  const named = knownContainers(host).filter(({ id, names }) => names.includes(name) || isId(id, name));
  const ids = [...new Set(named.map(({ id }) => id))];
  if (ids.length > 1) throw notUnique(name, ids);
  const cgroups = named.flatMap(each => each.cgroups);
  const [id = name] = ids;
  return pidsInCgroup(host.processes, path => levelsOf(path).some(each => isCgroupOf({ id, cgroups }, each)));
}

function isId(id: string, name: string): boolean {
  return id === name || (/^[0-9a-f]{12,}$/.test(name) && id.startsWith(name));
}

function pidsOfCgroup(host: Machine, pasted: string): number[] {
  const { processes } = host;
  const wanted = cgroupPath(host, pasted);
  const found = pidsInCgroup(processes, path => isIn(path, wanted));
  if (found.length > 0) return found;
  const unquoted = withoutBackslashes(wanted);
  const asUnquoted = pidsInCgroup(processes, path => isIn(withoutBackslashes(path), unquoted));
  if (asUnquoted.length > 0 || pasted.includes('/')) return asUnquoted;
  // systemd-cgls prints cgroups as a tree, where a unit is shown by its name alone and not by its path.
  return pidsInCgroup(processes, path => path.split('/').includes(pasted.trim()));
}

/** The processes in the cgroups that are wanted. A process that ends meanwhile is in none. */
function pidsInCgroup(processes: ProcessView, isWanted: (path: string) => boolean): number[] {
  return processes.listPids().filter(pid => {
    try {
      return processes.cgroupsOf(pid).some(isWanted);
    } catch {
      return false;
    }
  });
}

function treeOf(processes: ProcessView, pid: number): number[] {
  assertThere(processes, pid);
  return processes.tree(pid);
}

/** @throws NOT_FOUND */
export function assertThere(processes: ProcessView, pid: number): void {
  if (processes.listPids().includes(pid)) return;
  const what = `process ${pid}`;
  throw new GhostkeepError('NOT_FOUND', what, `cannot look at ${what}: there is none`);
}

function notUnique(name: string, ids: readonly string[]): GhostkeepError {
  return new GhostkeepError(
    'BAD_INPUT',
    `container ${name}`,
    `cannot choose container ${name}: ${ids.length} containers have this name: ${showSome(ids)}; give an id`,
  );
}

function assertSome(pids: number[], what: string): number[] {
  if (pids.length > 0) return pids;
  throw new GhostkeepError(
    'NOT_FOUND',
    what,
    `cannot look at ${what}: no process is in it; is it running, and is the name complete?`,
  );
}

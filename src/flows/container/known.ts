/**
 * Container engines and runtimes keep records of their containers. The records say which id a name belongs
 * to, and which cgroup a container has whose cgroup is not named after its id.
 */
import { type Bound, bounds } from '../../base/bounds.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import { cgroupPath } from './cgroup-path.js';

export interface KnownContainer {
  id: string;
  /** The first is the one to show. */
  names: string[];
  cgroups: string[];
}

type Machine = Pick<Host, 'processes' | 'files' | 'uid'>;

/**
 * Runtimes put these before an id. `libpod-conmon-` is no such prefix: the cgroup with that name is the one
 * of podman's monitor, outside the container.
 */
const prefix = /^(libpod|crio|cri-containerd|containerd|docker|nerdctl|crun|runc)-/;

/**
 * Runtimes name the cgroup after the id (`/ID`, `libpod-ID`, `crio-ID.scope`, `cri-containerd-ID.scope`,
 * `docker-ID.scope`). ID may be shortened: the first 12 or more digits are enough.
 */
function isNamedAfter(part: string, id: string): boolean {
  const own = part.replace(/\.scope$/, '').replace(prefix, '');
  return (id !== '' && own === id) || (id.length >= 12 && own.startsWith(id) && /^[0-9a-f]+$/.test(own));
}

/** Is LEVEL the cgroup of this container, by the record of its runtime or by its name? See levelsOf. */
export function isCgroupOf({ id, cgroups }: Pick<KnownContainer, 'id' | 'cgroups'>, level: string): boolean {
  return cgroups.includes(level) || isNamedAfter(nameOf(level), id);
}

/** The container that a cgroup belongs to, as far as its name alone tells. */
export function idIn(level: string): string | undefined {
  const part = nameOf(level);
  const own = part.replace(/\.scope$/, '').replace(prefix, '');
  if (/^[0-9a-f]{64}$/.test(own)) return own;
  return part.endsWith('.scope') && prefix.test(part) ? own : undefined;
}

const nameOf = (level: string) => level.slice(level.lastIndexOf('/') + 1);

/**
 * We read this many entries of a folder at most. A host has some hundred containers, so a folder with more
 * entries is not one of containers.
 */
const mostEntries = 10_000;

/** Containers that the records of this host name. A record that is odd or that we may not read is skipped. */
export function knownContainers(host: Machine): KnownContainer[] {
  return [...storedByPodmanOrCrio(host), ...byDocker(host), ...byContainerd(host), ...byRuntime(host)];
}

/**
 * Containers of Podman and CRI-O. CRI-O also notes the name that the container has in its pod. Source:
 * containers/storage, container_store.go: overlay-containers/containers.json; CRI-O,
 * internal/storage/runtime.go.
 */
function storedByPodmanOrCrio(host: Machine): KnownContainer[] {
  const root =
    host.uid() === 0 ? '/var/lib/containers/storage' : `${homeOf(host)}/.local/share/containers/storage`;
  const lists = list(host, root)
    .filter(name => name.endsWith('-containers'))
    .flatMap(name => [`${root}/${name}/containers.json`, `${root}/${name}/volatile-containers.json`]);
  return lists
    .flatMap(file => asList(readJson(host, file, bounds.containers)))
    .flatMap(entry => {
      const id = text(entry, 'id');
      if (id === undefined) return [];
      const stored = asList(member(entry, 'names')).filter(name => typeof name === 'string');
      const inPod = text(parse(text(entry, 'metadata') ?? ''), 'metadata-name');
      return { id, names: inPod === undefined ? stored : [inPod, ...stored], cgroups: [] };
    });
}

/** Source: moby, daemon/container: config.v2.json. */
function byDocker(host: Machine): KnownContainer[] {
  const root = '/var/lib/docker/containers';
  return list(host, root).map(id => {
    const name = text(readJson(host, `${root}/${id}/config.v2.json`, bounds.containers), 'Name');
    return { id, names: name === undefined ? [] : [name.replace(/^\//, '')], cgroups: [] };
  });
}

/** containerd keeps each bundle below its namespace. CRI and nerdctl note the name in annotations. */
function byContainerd(host: Machine): KnownContainer[] {
  const root = '/run/containerd/io.containerd.runtime.v2.task';
  return list(host, root).flatMap(namespace =>
    list(host, `${root}/${namespace}`).map(id => {
      const bundle = readJson(host, `${root}/${namespace}/${id}/config.json`, bounds.bundle);
      const annotations = member(bundle, 'annotations');
      const name = text(annotations, 'io.kubernetes.cri.container-name') ?? text(annotations, 'nerdctl/name');
      const cgroup = text(member(bundle, 'linux'), 'cgroupsPath');
      return { id, names: [name ?? []].flat(), cgroups: cgroup?.startsWith('/') ? [cgroup] : [] };
    }),
  );
}

/**
 * runc writes ROOT/ID/state.json and crun ROOT/ID/status. Docker and containerd give runc a root of their
 * own.
 */
function byRuntime(host: Machine): KnownContainer[] {
  const run = host.uid() === 0 ? '/run' : `/run/user/${host.uid()}`;
  const nested = ['/docker/runtime-runc', '/containerd/runc'].flatMap(root =>
    list(host, `${run}${root}`).map(namespace => `${run}${root}/${namespace}`),
  );
  return [`${run}/runc`, `${run}/crun`, ...nested].flatMap(root =>
    list(host, root).flatMap(id => {
      const state = readJson(host, `${root}/${id}/state.json`, bounds.bundle);
      const crun = state === undefined ? readJson(host, `${root}/${id}/status`, bounds.bundle) : undefined;
      const paths = [...Object.values(asObject(member(state, 'cgroup_paths'))), member(crun, 'cgroup-path')];
      const cgroups = paths.flatMap(path =>
        typeof path === 'string' && path !== '' ? cgroupPath(host, path) : [],
      );
      return state === undefined && crun === undefined
        ? []
        : { id, names: [], cgroups: [...new Set(cgroups)] };
    }),
  );
}

function homeOf({ files, uid }: Machine): string {
  const line = (files.readIfThere('/etc/passwd', bounds.containers)?.toString('utf8') ?? '')
    .split('\n')
    .find(each => each.split(':')[2] === String(uid()));
  return line?.split(':')[5] ?? '/nonexistent';
}

function list({ files }: Machine, folder: string): string[] {
  return orNothing(() => files.list(folder).slice(0, mostEntries)) ?? [];
}

function readJson({ files }: Machine, path: string, bound: Bound): unknown {
  return parse(orNothing(() => files.readIfThere(path, bound))?.toString('utf8') ?? '');
}

/** A record that cannot be read tells us nothing, and the container is still found by its id. */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof GhostkeepError)) throw error;
    return undefined;
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});
const member = (value: unknown, key: string): unknown =>
  Object.hasOwn(asObject(value), key) ? (value as Record<string, unknown>)[key] : undefined;

function text(value: unknown, key: string): string | undefined {
  const found = member(value, key);
  return typeof found === 'string' && found !== '' ? found : undefined;
}

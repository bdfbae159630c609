/**
 * A dump is refused if something of a shared /dev/shm could not come back with the container: see
 * src/ghost/find/named.ts. CRIU would dump such a container, and refuse its restore where /dev/shm has come
 * back empty. By then the container may be gone.
 */
import { bounds } from '../../base/bounds.js';
import type { LinkedGroup, Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { parseDev } from '../../base/units.js';
import { type NeededName, namesBelow } from '../../criu/opened-below.js';
import type { Found, Lost } from '../../ghost/find/found.js';
import { type Ghost, pathOf, showIdentity } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import { findMonitors } from '../container/image-place.js';
import type { Context } from '../context.js';

const shmPath = Buffer.from('/dev/shm');

const wayOut =
  'close it, or let `allowMissing` in /etc/ghostkeep/config.json accept that the checkpoint can be restored only where it still is';

/** A file that cannot come back, as a message names it. */
export interface Unkept {
  path: string;
  dev: bigint;
  /** `8:1/4711` */
  identity: string;
  holder?: { pid: number; via: string; fd?: number } | undefined;
}

/** The processes of a dump, and what its policy accepts. */
export interface DumpOf {
  policy: Policy;
  /** The container's processes. */
  pids: readonly number[];
}

export function unkeptOf(file: Ghost): Unkept {
  const {
    stat,
    holders: [holder],
  } = file;
  const path = pathOf(file).toString('utf8');
  return { path, dev: stat.dev, identity: showIdentity(stat), ...(holder ? { holder } : {}) };
}

export function unkeptEntry({ path, dev, ino, holders: [holder] }: ManifestGhost): Unkept {
  return { path, dev: parseDev(dev), identity: `${dev}/${ino}`, ...(holder ? { holder } : {}) };
}

/** Does a dump without the files of DEV succeed: does the policy accept it, or does Podman keep them? */
export function mayLack(context: Context, { policy, pids }: DumpOf, dev: bigint): boolean {
  return policy.allowMissing || podmanKeeps(context, pids, dev);
}

export function warnOfUnkept({ log }: Pick<Context, 'log'>, { path }: Unkept, cause: unknown): void {
  log.warn(`${path} is not copied, so it can be restored only where it still is: ${reasonOf(cause)}`);
}

/** @throws SHM_NOT_KEPT, unless the dump may lack the file: then a warning is logged */
export function refuseUnkept(context: Context, dump: DumpOf, file: Unkept, cause: unknown): void {
  if (mayLack(context, dump, file.dev)) {
    warnOfUnkept(context, file, cause);
    return;
  }
  throw new GhostkeepError(
    'SHM_NOT_KEPT',
    file.path,
    `cannot dump ${file.path} (${file.identity}), which ${showHolder(file)} on a /dev/shm from outside the container: ${reasonOf(cause)}; the container runs on; ${wayOut}`,
    { cause },
  );
}

function showHolder({ holder }: Unkept): string {
  if (!holder) return 'is held';
  const { pid, via, fd } = holder;
  return `process ${pid} has ${fd === undefined ? shownVia[via] : `open as descriptor ${fd}`}`;
}

const shownVia: Record<string, string> = {
  cwd: 'as its working directory',
  root: 'as its root',
  exe: 'as its program',
  map: 'mapped',
};

/**
 * Podman's folder for the /dev/shm that it makes for a container. Source: podman,
 * libpod/container_internal.go
 */
const podmansShm = /-containers\/[0-9a-f]{64}\/userdata\/shm$/;

/**
 * The answers of podmanKeeps, by the processes of a dump and the device. One answer takes long, and thousands
 * of files have the same.
 */
const answers = new WeakMap<readonly number[], Map<bigint, boolean>>();

/** Podman puts the content of the /dev/shm that it has made into its own archive (decision 0019). */
export function podmanKeeps({ host }: Context, pids: readonly number[], dev: bigint): boolean {
  const { processes } = host;
  const known = answers.get(pids) ?? new Map<bigint, boolean>();
  answers.set(pids, known);
  const answer =
    known.get(dev) ??
    (processes
      .mounts(processes.self())
      .some(mount => mount.dev === dev && podmansShm.test(mount.mountPoint.toString('latin1'))) &&
      findMonitors(host, pids).some(({ engine }) => engine === 'podman'));
  known.set(dev, answer);
  return answer;
}

type OnShm = Pick<Found, 'ghosts' | 'named' | 'lost'>;

/** Refuses what of FOUND cannot be copied, unless a file that is copied brings its folder back. */
export function assertNothingLost(context: Context, dump: DumpOf, found: OnShm): void {
  for (const one of dump.policy.enabled ? lostForGood(found) : []) refuseLost(context, dump, one);
}

/** Those of the lost whose folder no copied file brings back. */
export function lostForGood(found: OnShm): Lost[] {
  if (found.lost.length === 0) return [];
  const names = namesThatComeBack(found);
  return found.lost.filter(({ folder }) => !folder || !hasBelow(names, folder));
}

/** The names that copied files bring back, in the order of their bytes. */
export function namesThatComeBack({ ghosts, named }: Pick<Found, 'ghosts' | 'named'>): Buffer[] {
  const copied = [...named, ...ghosts.filter(({ namesStay }) => !namesStay)];
  const names = copied.flatMap(({ mounts }) => mounts.flatMap(mount => mount.names ?? []));
  return names.sort(Buffer.compare);
}

/** @param names in the order of their bytes, so that those below FOLDER follow each other */
export function hasBelow(names: readonly Buffer[], folder: Buffer): boolean {
  const start = Buffer.concat([folder, Buffer.from('/')]);
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Buffer.compare(names[middle] as Buffer, start) < 0) low = middle + 1;
    else high = middle;
  }
  return names[low]?.subarray(0, start.length).equals(start) ?? false;
}

export function refuseLost(context: Context, dump: DumpOf, { path, stat, holder, why }: Lost): void {
  const file = { path: path.toString('utf8'), dev: stat.dev, identity: showIdentity(stat), holder };
  refuseUnkept(context, dump, file, new Error(why));
}

/** Does the /dev/shm of these processes come from outside, and may the dump not lack its files? */
export function mustKeepShm(context: Context, dump: DumpOf): boolean {
  const { processes } = context.host;
  const [first] = dump.pids;
  if (first === undefined || !dump.policy.enabled) return false;
  const ours = processes.mounts(processes.self());
  return processes
    .mounts(first)
    .some(
      ({ id, dev, mountPoint }) =>
        mountPoint.equals(shmPath) &&
        ours.some(mount => mount.dev === dev) &&
        !ours.some(mount => mount.id === id) &&
        !mayLack(context, dump, dev),
    );
}

/**
 * Refuses what the container has opened, watched or bound on /dev/shm while it ran on between our search and
 * CRIU's freeze.
 * @param manifest lists what is kept; undefined if nothing is
 * @throws SHM_NOT_KEPT; the dump stays as it is
 */
export function assertNothingNew({ host: { files } }: Context, images: string, manifest?: Manifest): void {
  const kept = (manifest?.ghosts ?? []).flatMap(({ linked }) =>
    (linked?.names ?? []).map(name =>
      Buffer.concat([pathFromText((linked as LinkedGroup).mountPoint), Buffer.from('/'), pathFromText(name)]),
    ),
  );
  kept.sort(Buffer.compare);
  const isKept = new Set(kept.map(name => name.toString('latin1')));
  const comesBack = ({ name, how }: NeededName) => {
    const needed = how === 'bound' ? name.subarray(0, name.lastIndexOf('/')) : name;
    return needed.equals(shmPath) || isKept.has(needed.toString('latin1')) || hasBelow(kept, needed);
  };
  const remaps = files.readIfThere(`${images}/remap-fpath.img`, bounds.remaps);
  const needed = namesBelow(files.read(`${images}/files.img`, bounds.files), remaps, `${shmPath}/`);
  const lost = needed.find(one => !comesBack(one));
  if (lost === undefined) return;
  const path = lost.name.toString('utf8');
  throw new GhostkeepError(
    'SHM_NOT_KEPT',
    path,
    `the checkpoint in ${images} lacks ${path}, which the container has ${lost.how} before CRIU froze it: it can be restored only where that file still is`,
  );
}

/**
 * @param wanted the journal from before CRIU ran
 * @throws SHM_NOT_KEPT for a file that could not be copied after CRIU had finished; the dump stays sealed
 */
export function assertNamedKept(images: string, wanted: Manifest, { ghosts }: Manifest): void {
  const kept = new Set(ghosts.map(({ dev, ino }) => `${dev}/${ino}`));
  const lost = wanted.ghosts.find(entry => entry.class === 'named' && !kept.has(`${entry.dev}/${entry.ino}`));
  if (!lost) return;
  throw new GhostkeepError(
    'SHM_NOT_KEPT',
    lost.path,
    `the checkpoint in ${images} is sealed, but it lacks ${lost.path}, for the reason in the warning: it can be restored only where that file still is`,
  );
}

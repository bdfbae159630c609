/**
 * A dump is refused if something of a shared /dev/shm could not come back with the container: see
 * src/ghost/find/named.ts. CRIU would dump such a container, and refuse its restore where /dev/shm has come
 * back empty. By then the container may be gone.
 */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { parseDev } from '../../base/units.js';
import type { Found } from '../../ghost/find/found.js';
import { type Ghost, pathOf, showIdentity } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import { findMonitors } from '../container/image-place.js';
import type { Context } from '../context.js';

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

/** @throws SHM_NOT_KEPT, unless the dump may lack it: then it warns */
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

/** Podman's folder for the /dev/shm that it makes for a container. Source: podman, libpod/container_internal.go */
const podmansShm = /-containers\/[0-9a-f]{64}\/userdata\/shm$/;

/** Podman puts the content of the /dev/shm that it has made into its own archive (decision 0019). */
function podmanKeeps({ host }: Context, pids: readonly number[], dev: bigint): boolean {
  const { processes } = host;
  return (
    processes
      .mounts(processes.self())
      .some(mount => mount.dev === dev && podmansShm.test(mount.mountPoint.toString('latin1'))) &&
    findMonitors(host, pids).some(({ engine }) => engine === 'podman')
  );
}

/** Refuses what of FOUND cannot be copied, unless a file that is copied brings its folder back. */
export function assertNothingLost(
  context: Context,
  dump: DumpOf,
  { ghosts, named, lost }: Pick<Found, 'ghosts' | 'named' | 'lost'>,
): void {
  if (!dump.policy.enabled || lost.length === 0) return;
  const copied = [...named, ...ghosts.filter(({ namesStay }) => !namesStay)];
  const names = copied.flatMap(({ mounts }) => mounts.flatMap(mount => mount.names ?? []));
  for (const { path, folder, stat, holder, why } of lost) {
    if (folder && names.some(name => isBelow(name, folder))) continue;
    const file = { path: path.toString('utf8'), dev: stat.dev, identity: showIdentity(stat), holder };
    refuseUnkept(context, dump, file, new Error(why));
  }
}

function isBelow(name: Buffer, folder: Buffer): boolean {
  const start = Buffer.concat([folder, Buffer.from('/')]);
  return name.subarray(0, start.length).equals(start);
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

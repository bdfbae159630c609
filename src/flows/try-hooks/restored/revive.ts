/**
 * Revives the ghosts for a new process: makes files from the images, opens them as they were open, and
 * removes their names.
 */
import type { HolderRecord } from '../../../base/documents/generated/ghost.js';
import type { Manifest, ManifestGhost } from '../../../base/documents/generated/manifest.js';
import { GhostkeepError, reasonOf } from '../../../base/errors.js';
import { countFromJson, parseDev } from '../../../base/units.js';
import { restoreGhosts } from '../../restore/restore.js';
import type { TestbedContext } from '../testbed-context.js';
import type { Holder } from '../workload.js';
import { type Comparison, compareFiles } from './compare.js';
import type { Original } from './originals.js';

/**
 * Ghost i gets the workload's number firstFd + i, even if it had no descriptor. Source:
 * native/workload/workload.h, FIRST_FD
 */
const firstFd = 100;
const accessModes = ['RDONLY', 'WRONLY', 'RDWR'];
/** Source: asm-generic/fcntl.h */
const noAtime = 0o1000000;
const flagNames: [number, string][] = [
  [0o2000, 'APPEND'],
  [0o4000, 'NONBLOCK'],
  [0o40000, 'DIRECT'],
  [noAtime, 'NOATIME'],
  [0o4010000, 'SYNC'],
];

export interface Revived {
  original: Original;
  /** Number in the new process → our descriptor. Two numbers with the same descriptor share their offset. */
  descriptors: Map<number, number>;
  held: string;
  comparison: Comparison | undefined;
  differences: string[];
}

/** Restores one ghost, compares it, opens it as it was open, and removes its name. */
export async function revive(
  context: TestbedContext,
  images: string,
  folder: string,
  manifest: Manifest,
  original: Original,
): Promise<Revived> {
  const revived: Revived = {
    original,
    descriptors: new Map(),
    held: '',
    comparison: undefined,
    differences: [],
  };
  try {
    const ghost = findGhost(manifest, original);
    // We may allow privileges, because the image comes from a workload of our own.
    const request = { images, to: folder, only: [ghost.id], allowPrivileged: true };
    const [restored] = await restoreGhosts(context, request);
    if (!restored) throw new Error('nothing was restored');
    revived.differences = restored.missing.map(what => `could not set ${what}`);
    try {
      revived.comparison = compareWith(context, original, restored.path);
      revived.differences = [...revived.differences, ...revived.comparison.differences];
      revived.held = placeDescriptors(context, ghost, original, restored.path, revived.descriptors);
    } finally {
      context.host.files.remove(restored.path);
    }
  } catch (error) {
    revived.differences.push(reasonOf(error));
  }
  return revived;
}

export function closeRevived({ host }: TestbedContext, revived: readonly Revived[]): void {
  for (const { descriptors } of revived) for (const fd of new Set(descriptors.values())) host.files.close(fd);
}

function findGhost(manifest: Manifest, { kind, stat }: Original): ManifestGhost {
  const ghost = manifest.ghosts.find(
    ({ dev, ino }) => parseDev(dev) === stat.dev && countFromJson(ino) === stat.ino,
  );
  if (ghost) return ghost;
  throw new GhostkeepError('NOT_FOUND', kind, 'it is not in the dump');
}

function compareWith({ host, testbed }: TestbedContext, original: Original, path: string): Comparison {
  const fd = testbed.openAs(path, noAtime);
  try {
    return compareFiles(testbed, original, { fd, stat: host.files.stat(fd) });
  } finally {
    host.files.close(fd);
  }
}

/**
 * Flags and offsets come from the manifest; only which descriptors share an offset comes from the workload.
 */
function placeDescriptors(
  context: TestbedContext,
  ghost: ManifestGhost,
  { index, holders }: Original,
  path: string,
  placed: Map<number, number>,
): string {
  const { testbed } = context;
  const main = holders.find(({ role }) => role === 'main');
  if (!main) {
    placed.set(firstFd + index, testbed.openAs(path, 0));
    return `${holders[0]?.role === 'exe' ? 'program' : 'mapping'} only`;
  }
  const shown: string[] = [];
  for (const holder of holders) {
    if (holder.fd < 0 || holder.pid !== main.pid) continue;
    const record = findRecord(ghost, holder);
    const shared = holder.role === 'dup' ? placed.get(main.fd) : undefined;
    if (shared !== undefined) {
      placed.set(holder.fd, shared);
      shown.push(`${holder.fd} shares ${main.fd}`);
      continue;
    }
    const fd = testbed.openAs(path, record.flags ?? 0);
    placed.set(holder.fd, fd);
    testbed.seekTo(fd, countFromJson(record.position ?? 0));
    shown.push(`${holder.fd} ${showFlags(record.flags ?? 0)} @${record.position}`);
  }
  if (holders.some(({ role }) => role === 'map')) shown.push('and mapped');
  return shown.join(', ');
}

function findRecord({ holders }: ManifestGhost, { pid, fd }: Holder): HolderRecord {
  const record = holders.find(candidate => candidate.pid === pid && candidate.fd === fd);
  if (record) return record;
  throw new GhostkeepError('NOT_FOUND', `fd ${fd}`, `the manifest does not know its descriptor ${fd}`);
}

function showFlags(flags: number): string {
  const others = flagNames.filter(([bits]) => (flags & bits) === bits).map(([, name]) => name);
  return [accessModes[flags & 3] ?? '?', ...others].join('|');
}

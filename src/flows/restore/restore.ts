/** Make files again from a sealed dump, with everything the manifest knows. CRIU restores without this. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import { countFromJson } from '../../base/units.js';
import { readManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import type { AllocationRoom } from './allocation.js';
import { clearPartials } from './partial-files.js';
import { type MadeGhost, makeGhost, nameGhost, type RestoredGhost, type Target } from './restore-one.js';
import { openTarget } from './target-folder.js';

export type { RestoredGhost };

export interface RestoreRequest {
  images: string;
  to: string;
  /** Ids; none for all. */
  only?: readonly number[];
  /** Allocate again what was allocated and held no data. Also done where the manifest says so. */
  preserveAllocation?: boolean;
  /** Bytes that allocating leaves free: the host's policy. */
  reserve?: bigint;
  /** As applyMetadata's. */
  allowPrivileged?: boolean;
  /** Called for each ghost that has its name, in their order. */
  onRestored?: (restored: RestoredGhost) => void;
  /**
   * Called for each ghost that could not be restored; without it the first of them is thrown, and ends the
   * restore.
   */
  onFailure?: (error: GhostkeepError) => void;
  /**
   * Has the paths of files that have no ghost's name yet: whoever ends the process before the restore has
   * ended removes them.
   */
  unfinished?: Set<string>;
}

/** So many wait together for the disk: it takes their writes in one go, and each holds a descriptor. */
const batchSize = 16;

/** @returns one file a ghost, TO/ghost-ID, on the disk; a file that is there already is a failure */
export async function restoreGhosts(context: Context, request: RestoreRequest): Promise<RestoredGhost[]> {
  const { files } = context.host;
  const { images, to, only = [], allowPrivileged = false, unfinished = new Set() } = request;
  const manifest = readManifest(files, images);
  const wanted = only.length === 0 ? manifest.ghosts : only.map(id => findById(manifest.ghosts, id));
  const folderFd = openTarget(context.host, to);
  const folder = `/proc/self/fd/${folderFd}`;
  const batches = new Batches(context, request, { images, to, folder, allowPrivileged, unfinished });
  const room = roomFor(request, manifest);
  // What comes back empty must not take the room of data that has yet to come.
  let toCome = wanted.reduce((sum, ghost) => sum + dataOf(ghost), 0n);
  try {
    clearPartials(context, folder, to);
    for (const ghost of wanted) {
      toCome -= dataOf(ghost);
      const isLast = !(await batches.add(ghost, room && { ...room, keepFree: room.keepFree + toCome }));
      if (isLast) break;
    }
    await batches.end();
    files.syncFolder(folder);
    warnOfRefused(context, to);
    if (batches.failure) throw batches.failure;
    return batches.restored;
  } finally {
    files.close(folderFd);
  }
}

class Batches {
  readonly restored: RestoredGhost[] = [];
  /** What ends the restore, when those before it have their names. */
  failure: unknown;
  #made: MadeGhost[] = [];

  constructor(
    private readonly context: Context,
    private readonly request: RestoreRequest,
    private readonly target: Target,
  ) {}

  /** @returns whether to go on */
  async add(ghost: ManifestGhost, room: AllocationRoom | undefined): Promise<boolean> {
    try {
      this.#made.push(await makeGhost(this.context, this.target, ghost, room));
    } catch (error) {
      this.#failed(error);
    }
    if (this.#made.length >= batchSize) await this.end();
    return this.failure === undefined;
  }

  /** Those that were made get their names. */
  async end(): Promise<void> {
    const made = this.#made;
    this.#made = [];
    const ends = await Promise.allSettled(made.map(each => nameGhost(this.context, this.target, each)));
    for (const end of ends) {
      if (end.status === 'rejected') {
        this.#failed(end.reason);
        continue;
      }
      this.restored.push(end.value);
      this.request.onRestored?.(end.value);
    }
  }

  #failed(error: unknown): void {
    const { onFailure } = this.request;
    if (onFailure && error instanceof GhostkeepError) onFailure(error);
    else this.failure ??= error;
  }
}

/** Undefined where nobody asks for what was allocated. */
function roomFor(
  { preserveAllocation = false, reserve = 0n }: RestoreRequest,
  manifest: Manifest,
): AllocationRoom | undefined {
  if (preserveAllocation) return { keepFree: reserve };
  return manifest.preserveAllocation ? { keepFree: reserve, byImage: new Map() } : undefined;
}

const dataOf = ({ data }: ManifestGhost) => countFromJson(data?.bytes ?? 0);

function findById(ghosts: readonly ManifestGhost[], id: number): ManifestGhost {
  const ghost = ghosts.find(candidate => candidate.id === id);
  if (ghost) return ghost;
  const known = ghosts.map(candidate => candidate.id).join(', ') || 'none';
  throw new GhostkeepError(
    'NOT_FOUND',
    `ghost ${id}`,
    `cannot restore ghost ${id}: the manifest has ${known}`,
  );
}

/**
 * Restores files from a sealed dump, with all metadata that the manifest has. CRIU itself does not use this.
 */

import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson } from '../../base/units.js';
import { assertHere, readManifest } from '../../image/manifest.js';
import { type Link, Parents } from '../chain/open-layers.js';
import { asOwnerOfChain, assertOnlyChild, assertOnlyChildren } from '../chain/own-chain.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import type { AllocationRoom } from './allocation.js';
import { byId, byOldName } from './file-names.js';
import { type MadeFile, nameFile, type RestoredGhost } from './make-file.js';
import { clearPartials } from './partial-files.js';
import { makeGhost, type Target } from './restore-one.js';
import { openTarget } from './target-folder.js';

export type { RestoredGhost };

export interface RestoreRequest {
  images: string;
  to: string;
  /** Ids of the ghosts to restore; empty for all. */
  only?: readonly number[];
  /** Files get their old base names, made harmless. Otherwise they are called ghost-ID. */
  names?: boolean;
  /** Allocate again space that held no data. This is also done if the manifest asks for it. */
  preserveAllocation?: boolean;
  /** Bytes that allocating leaves free: the host's policy. */
  reserve?: bigint;
  /** See applyMetadata. */
  allowPrivileged?: boolean;
  /** Called for each ghost that has got its name, in their order. */
  onRestored?: (restored: RestoredGhost) => void;
  /**
   * Called for each ghost that could not be restored. Without it the first failure ends the restore and is
   * thrown.
   */
  onFailure?: (error: GhostkeepError) => void;
  /**
   * Paths of files that have no ghost's name yet. A caller that ends the process before the restore is over
   * removes them.
   */
  unfinished?: Set<string>;
  /**
   * The layers of packed ghosts give up each piece of data that a file has by now: the restore moves the
   * ghosts.
   */
  autoDedup?: boolean;
  /** Called at the end of a restore with autoDedup, with the bytes that the layers have freed. */
  onFreed?: (bytes: bigint) => void;
}

/**
 * So many files are made before they are written to the disk together, which is faster. Each of them has an
 * open descriptor meanwhile.
 */
const batchSize = 16;

/** @returns one file for each ghost in TO, on the disk; a file that exists already is never written over */
export async function restoreGhosts(context: Context, request: RestoreRequest): Promise<RestoredGhost[]> {
  const { images, to, autoDedup = false } = request;
  if (!autoDedup) return restore(context, request);
  return asOwner(context, images, owned =>
    asOwnerOfChain(context, owned, images, links => {
      const action = `cannot move ghosts of ${links[0]?.where} to ${to}`;
      assertOnlyChild(context, links[0] as Link, undefined, action);
      assertOnlyChildren(context, links, action);
      return restore(context, { ...request, images: owned }, links);
    }),
  );
}

/** @param links the directory and its parents, if the ghosts are to be moved */
async function restore(
  context: Context,
  request: RestoreRequest,
  links?: readonly Link[],
): Promise<RestoredGhost[]> {
  const { files } = context.host;
  const { images, to, only = [], names = false, allowPrivileged = false, unfinished = new Set() } = request;
  const manifest = links?.[0]?.manifest ?? readManifest(files, images);
  const where = files.realPath(images);
  assertHere(manifest, `cannot restore from ${where}`, where);
  const wanted = only.length === 0 ? manifest.ghosts : only.map(id => findById(manifest.ghosts, id));
  const folderFd = openTarget(context.host, to, 'restore');
  const folder = `/proc/self/fd/${folderFd}`;
  const link = links?.[0] ?? { images, where, manifest };
  const parents = new Parents(context);
  const moving = links && { links, to: files.realPath(folder), freedBytes: 0n };
  const nameOf = names ? byOldName(files, folder) : byId;
  const target = { images, to, folder, allowPrivileged, unfinished, link, parents, nameOf, moving };
  const batches = new Batches(context, request, target);
  const room = roomFor(request, manifest);
  context.progress?.begin({
    what: 'restoring',
    item: 'ghost',
    items: wanted.length,
    bytes: () => wanted.reduce((sum, ghost) => sum + bytesToMove(ghost), 0n),
  });
  // Allocating empty space must not take the room of data that is still to be written.
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
    if (moving) request.onFreed?.(moving.freedBytes);
    if (batches.failure) throw batches.failure;
    return batches.restored;
  } finally {
    files.close(folderFd);
  }
}

class Batches {
  readonly restored: RestoredGhost[] = [];
  /** The error that ends the restore. The ghosts before it still get their names. */
  failure: unknown;
  #made: MadeFile[] = [];

  constructor(
    private readonly context: Context,
    private readonly request: RestoreRequest,
    private readonly target: Target,
  ) {}

  /** @returns true if the restore goes on */
  async add(ghost: ManifestGhost, room: AllocationRoom | undefined): Promise<boolean> {
    try {
      this.#made.push(await makeGhost(this.context, this.target, ghost, room));
    } catch (error) {
      this.#failed(error);
    }
    if (this.#made.length >= batchSize) await this.end();
    return this.failure === undefined;
  }

  /** Gives names to the files that were made. */
  async end(): Promise<void> {
    const made = this.#made;
    this.#made = [];
    const ends = await Promise.allSettled(made.map(each => nameFile(this.context, this.target, each)));
    for (const end of ends) {
      if (end.status === 'rejected') {
        this.#failed(end.reason);
        continue;
      }
      this.restored.push(end.value);
      this.context.progress?.did();
      this.request.onRestored?.(end.value);
    }
  }

  #failed(error: unknown): void {
    const { onFailure } = this.request;
    if (onFailure && error instanceof GhostkeepError) onFailure(error);
    else this.failure ??= error;
  }
}

/** @returns undefined if nobody asks to allocate again */
function roomFor(
  { preserveAllocation = false, reserve = 0n }: RestoreRequest,
  manifest: Manifest,
): AllocationRoom | undefined {
  if (preserveAllocation) return { keepFree: reserve };
  return manifest.preserveAllocation ? { keepFree: reserve, byImage: new Map() } : undefined;
}

/** Bytes that the restore reads. An image that has a digest is read once more before it is copied. */
function bytesToMove(ghost: ManifestGhost): bigint {
  const digest = ghost.data?.digest === undefined ? 0 : ghost.data.imageBytes;
  return dataOf(ghost) + countFromJson(digest);
}

const dataOf = ({ data }: ManifestGhost) => countFromJson(data?.bytes ?? 0);

function findById(ghosts: readonly ManifestGhost[], id: number): ManifestGhost {
  const ghost = ghosts.find(candidate => candidate.id === id);
  if (ghost) return ghost;
  const known = ghosts.map(candidate => showId(candidate.id)).join(', ') || 'none';
  throw new GhostkeepError(
    'NOT_FOUND',
    `ghost ${showId(id)}`,
    `cannot restore ghost ${showId(id)}: the manifest has ${known}`,
  );
}

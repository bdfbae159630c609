/** Make files again from a sealed dump, with everything the manifest knows. CRIU restores without this. */
import type { Manifest, ManifestGhost } from '../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../base/errors.js';
import { countFromJson } from '../base/units.js';
import { readManifest } from '../image/manifest.js';
import { verifyDigest, verifyReport, verifySize } from '../image/verify.js';
import { type AllocationRoom, allocateAgain } from './allocation.js';
import { type Context, whenMoving } from './context.js';
import { applyMetadata } from './metadata.js';
import { openTarget } from './target-folder.js';
import { verifyHead } from './verify.js';

export interface RestoredGhost {
  id: number;
  path: string;
  ghost: ManifestGhost;
  /** What could not be set, as `owner (EPERM)`. */
  missing: string[];
  /** What was not set without `allowPrivileged`. */
  withheld: string[];
}

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
}

/** @returns one file a ghost, TO/ghost-ID; a file that is there already is an error */
export async function restoreGhosts(context: Context, request: RestoreRequest): Promise<RestoredGhost[]> {
  const { files } = context.host;
  const { images, to, only = [] } = request;
  const manifest = readManifest(files, images);
  const wanted = only.length === 0 ? manifest.ghosts : only.map(id => findById(manifest.ghosts, id));
  const folderFd = openTarget(context.host, to);
  const room = roomFor(request, manifest);
  // What comes back empty must not take the room of data that has yet to come.
  let toCome = wanted.reduce((sum, ghost) => sum + dataOf(ghost), 0n);
  try {
    const restored: RestoredGhost[] = [];
    for (const ghost of wanted) {
      toCome -= dataOf(ghost);
      const left = room && { ...room, keepFree: room.keepFree + toCome };
      restored.push(await restoreGhost(context, request, ghost, folderFd, left));
    }
    return restored;
  } finally {
    files.close(folderFd);
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

async function restoreGhost(
  context: Context,
  { images, to, allowPrivileged = false }: RestoreRequest,
  ghost: ManifestGhost,
  folderFd: number,
  room: AllocationRoom | undefined,
): Promise<RestoredGhost> {
  const { files, engine } = context.host;
  const name = `ghost-${ghost.id}`;
  const path = `${to}/${name}`;
  const made = `/proc/self/fd/${folderFd}/${name}`;
  const action = `cannot restore ghost ${ghost.id} (${ghost.path}) to ${path}`;
  let imageFd: number | undefined;
  let fileFd: number | undefined;
  let done = false;
  try {
    imageFd = await openUndamaged(context, images, ghost);
    fileFd = files.create(made);
    verifyReport(ghost, await engine.restore(imageFd, fileFd, whenMoving(context)));
    const unallocated = room ? allocateAgain(context, fileFd, ghost, room) : [];
    const { missing, withheld } = applyMetadata(context.host, fileFd, ghost, { allowPrivileged });
    done = true;
    return { id: ghost.id, path, ghost, missing: [...unallocated, ...missing], withheld };
  } catch (error) {
    if (error instanceof GhostkeepError && error.code.startsWith('IMAGE_'))
      throw new GhostkeepError(
        error.code,
        error.subject,
        `${action}: ${error.message}; restore others with --ghost ID, and this one from another copy`,
        { cause: error },
      );
    throw translate(error, errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO', ghost.image, action);
  } finally {
    if (imageFd !== undefined) files.close(imageFd);
    if (fileFd !== undefined) files.close(fileFd);
    if (!done && fileFd !== undefined) files.remove(made);
  }
}

/** What the engine's own checks would not see while it restores: another ghost's image, or wrong bytes where there is a digest. */
async function openUndamaged(context: Context, images: string, ghost: ManifestGhost): Promise<number> {
  const { host } = context;
  let fd: number | undefined;
  try {
    fd = host.files.open(`${images}/${ghost.image}`);
    verifySize(host, fd, ghost);
    const [damage] = verifyHead(context, images, ghost);
    if (damage)
      throw new GhostkeepError(damage.code as GhostkeepError['code'], damage.subject, damage.message);
    await verifyDigest(host, fd, ghost, whenMoving(context));
    return fd;
  } catch (error) {
    if (fd !== undefined) host.files.close(fd);
    const code = errnoOf(error) === 'ENOENT' ? 'IMAGE_MISSING' : 'IMAGE_INVALID';
    throw translate(error, code, ghost.image, `cannot read ${ghost.image}`);
  }
}

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

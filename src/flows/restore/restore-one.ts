/**
 * Restores one ghost: its file is made under a partial name, and gets its own when the disk has all of it.
 */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { verifyDigest, verifyReport, verifySize } from '../../image/verify.js';
import { type Context, whenMoving } from '../context.js';
import { type AllocationRoom, allocateAgain } from './allocation.js';
import { applyMetadata } from './metadata.js';
import { createPartial, type PartialFile } from './partial-files.js';
import { verifyHead } from './verify.js';

export interface RestoredGhost {
  id: number;
  path: string;
  ghost: ManifestGhost;
  /** Metadata that could not be set, as `owner (EPERM)`. */
  missing: string[];
  /** Metadata that we did not set without `allowPrivileged`. */
  withheld: string[];
}

/** The folder that a restore writes files to, and settings that all of them share. */
export interface Target {
  images: string;
  /** The folder's name as the user gave it, for messages. */
  to: string;
  /** The same folder by its descriptor: /proc/self/fd/N. */
  folder: string;
  allowPrivileged: boolean;
  /** See createPartial. */
  unfinished: Set<string>;
}

export interface MadeGhost {
  partial: PartialFile;
  restored: RestoredGhost;
}

/**
 * Makes the file with everything except its name, and the flags that would forbid a name; nameGhost adds
 * these.
 * @throws an error that names the ghost and says what to do
 */
export async function makeGhost(
  context: Context,
  target: Target,
  ghost: ManifestGhost,
  room: AllocationRoom | undefined,
): Promise<MadeGhost> {
  const { host } = context;
  const { files, engine } = host;
  const { images, to, folder, allowPrivileged, unfinished } = target;
  const path = `${to}/${nameOf(ghost)}`;
  let imageFd: number | undefined;
  let partial: PartialFile | undefined;
  try {
    if (files.exists(`${folder}/${nameOf(ghost)}`))
      throw new GhostkeepError('IO', path, `${actionOf(ghost, path)}: EEXIST: it is there already`);
    imageFd = await openUndamaged(context, images, ghost);
    partial = createPartial(host, folder, ghost.id, unfinished);
    verifyReport(ghost, await engine.restore(imageFd, partial.fd, whenMoving(context)));
    const unallocated = room ? allocateAgain(context, partial.fd, ghost, room) : [];
    const request = { parts: ['owner', 'xattrs', 'mode', 'times'], allowPrivileged } as const;
    const { missing, withheld } = applyMetadata(host, partial.fd, ghost, request);
    const restored = { id: ghost.id, path, ghost, missing: [...unallocated, ...missing], withheld };
    return { partial, restored };
  } catch (error) {
    if (partial) dropPartial(context, target, partial);
    throw explain(error, ghost, path);
  } finally {
    if (imageFd !== undefined) files.close(imageFd);
  }
}

/**
 * Gives the file its name when the disk has all of it. @throws as makeGhost does; then the file is removed
 */
export async function nameGhost(
  context: Context,
  target: Target,
  { partial, restored }: MadeGhost,
): Promise<RestoredGhost> {
  const { host } = context;
  const { ghost, path } = restored;
  const { folder, allowPrivileged, unfinished } = target;
  try {
    await host.files.flush(partial.fd);
    host.files.renameNew(partial.path, `${folder}/${nameOf(ghost)}`);
    unfinished.delete(partial.path);
  } catch (error) {
    dropPartial(context, target, partial);
    throw explain(error, ghost, path);
  }
  try {
    const { missing } = applyMetadata(host, partial.fd, ghost, { parts: ['flags'], allowPrivileged });
    return { ...restored, missing: [...restored.missing, ...missing] };
  } finally {
    host.files.close(partial.fd);
  }
}

function dropPartial({ host: { files } }: Context, { unfinished }: Target, { fd, path }: PartialFile): void {
  files.remove(path);
  unfinished.delete(path);
  files.close(fd);
}

const nameOf = ({ id }: ManifestGhost) => `ghost-${id}`;

const actionOf = (ghost: ManifestGhost, path: string) =>
  `cannot restore ghost ${ghost.id} (${ghost.path}) to ${path}`;

function explain(error: unknown, ghost: ManifestGhost, path: string): unknown {
  const action = actionOf(ghost, path);
  if (error instanceof GhostkeepError && error.code.startsWith('IMAGE_'))
    return new GhostkeepError(
      error.code,
      error.subject,
      `${action}: ${error.message}; restore others with --keep-going or --ghost ID, and this one from another copy`,
      { cause: error },
    );
  // An error that is a fault of our own is passed on as it is: the restore must not go on after it.
  if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) return error;
  return translate(error, errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO', ghost.image, action);
}

/**
 * Opens an image after checks that the engine does not make while it restores: is it another ghost's image,
 * and, if there is a digest, are its bytes right?
 */
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

/**
 * Restores one ghost: its file is made under a partial name, and gets its final name when the disk has all of
 * it.
 */

import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson } from '../../base/units.js';
import { isPacked, type PackedGhost } from '../../chain/packed.js';
import { verifyDigest, verifyReport, verifySize } from '../../image/verify.js';
import { movedBefore, moveGhost } from '../chain/move.js';
import { type Link, openLayers, type Parents } from '../chain/open-layers.js';
import { type Context, whenMoving } from '../context.js';
import { type AllocationRoom, allocateAgain } from './allocation.js';
import type { Naming } from './file-names.js';
import { type Folder, type MadeFile, makeFile } from './make-file.js';
import { verifyHead } from './verify.js';

/** The folder that a restore writes to, and the one with the images. */
export interface Target extends Folder {
  images: string;
  /** The directory of the images, whose ghosts may be packed, and its parents. */
  link: Link;
  parents: Parents;
  nameOf: Naming;
  /** Set with --auto-dedup: then the layers give up each piece of data that a file has by now. */
  moving?: Moving | undefined;
}

export interface Moving {
  /** The directory and all its parents, of which we are the owner. */
  links: readonly Link[];
  /** The real path of the folder that files are restored to. */
  to: string;
  freedBytes: bigint;
}

/**
 * Makes the file of a ghost, still without its name.
 * @throws an error that names the ghost and says what to do
 */
export async function makeGhost(
  context: Context,
  target: Target,
  ghost: ManifestGhost,
  room: AllocationRoom | undefined,
): Promise<MadeFile> {
  const name = target.nameOf(ghost);
  const path = `${target.to}/${name}`;
  let source: Source | undefined;
  const fill = async (fd: number) => {
    if (target.moving && isPacked(ghost)) await move(context, target.moving, ghost, fd);
    else {
      source = isPacked(ghost)
        ? await openPacked(context, target, ghost)
        : await openWhole(context, target.images, ghost);
      await source.restore(fd);
    }
    return room ? allocateAgain(context, fd, ghost, room) : [];
  };
  try {
    return await makeFile(context, target, {
      name,
      ghost,
      action: actionOf(ghost, path),
      fill,
      ...(target.moving && isPacked(ghost) ? { kept: keptFile(context, target, ghost) } : {}),
      explain: error => explainRestore(error, ghost, path),
    });
  } finally {
    source?.close();
  }
}

/** Where the bytes of a ghost come from. */
interface Source {
  restore(toFd: number): Promise<void>;
  close(): void;
}

async function openWhole(context: Context, images: string, ghost: ManifestGhost): Promise<Source> {
  const { files, engine } = context.host;
  const imageFd = await openUndamaged(context, images, ghost);
  return {
    restore: async toFd => verifyReport(ghost, await engine.restore(imageFd, toFd, whenMoving(context))),
    close: () => files.close(imageFd),
  };
}

/** The engine checks each unit of a layer against its digest before it writes it. */
async function openPacked(context: Context, target: Target, ghost: PackedGhost): Promise<Source> {
  const { engine } = context.host;
  const layers = await openLayers(context, target.link, ghost, target.parents);
  return {
    restore: async toFd => {
      const { size } = await layers.use(levels =>
        engine.unpack(levels, toFd, undefined, whenMoving(context)),
      );
      assertSize(ghost, size);
    },
    close: layers.close,
  };
}

/**
 * Chooses the name of the file that a ghost's bytes are moved to. If an interrupted command has moved the
 * whole ghost, its file has its final name already.
 */
function keptFile(
  { host: { files } }: Context,
  { folder, link, moving, nameOf }: Target,
  ghost: PackedGhost,
) {
  const name = `.ghostkeep-moved-${ghost.id}`;
  const isBegun = moving !== undefined && movedBefore(ghost, link.where, moving.to) !== undefined;
  return { name: isBegun && !files.exists(`${folder}/${name}`) ? nameOf(ghost) : name, isBegun };
}

async function move(context: Context, moving: Moving, ghost: PackedGhost, toFd: number): Promise<void> {
  const { links, to } = moving;
  const { report, freedBytes } = await moveGhost(context, { links, ghost, to, toFd });
  moving.freedBytes += freedBytes;
  assertSize(ghost, report.size);
}

function assertSize(ghost: PackedGhost, size: bigint): void {
  if (size === countFromJson(ghost.size)) return;
  throw new GhostkeepError(
    'IMAGE_MISMATCH',
    ghost.layer.map,
    `${ghost.layer.map} is damaged: its file size is ${size}, the manifest says ${ghost.size}`,
  );
}

const actionOf = (ghost: ManifestGhost, path: string) =>
  `cannot restore ghost ${showId(ghost.id)} (${ghost.path}) to ${path}`;

function explainRestore(error: unknown, ghost: ManifestGhost, path: string): unknown {
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

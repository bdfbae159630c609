/**
 * Makes the names of linked ghosts again before CRIU opens them, because their file system is not part of the
 * checkpoint and may have come back empty. A name that exists stays as it is.
 */

import { isUtf8 } from 'node:buffer';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError, translate } from '../../base/errors.js';
import { isMemoryMagic } from '../../base/filesystems.js';
import { showId } from '../../base/text/ghost-id.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { linkedFoldersOf, linkedNamesOf } from '../../image/decode.js';
import { type Context, whenMoving } from '../context.js';
import { applyMetadata } from './metadata.js';

/**
 * Finds the folder of this host that is mounted at MOUNT_POINT in the container; undefined if CRIU restores
 * the mount itself.
 */
export type FindSource = (mountPoint: string) => string | undefined;

export async function recreateLinked(
  context: Context,
  images: string,
  manifest: Manifest,
  findSource: FindSource,
): Promise<void> {
  for (const ghost of manifest.ghosts)
    if (ghost.linked) await recreate(context, images, ghost, ghost.linked, findSource);
}

async function recreate(
  context: Context,
  images: string,
  ghost: ManifestGhost,
  group: NonNullable<ManifestGhost['linked']>,
  findSource: FindSource,
): Promise<void> {
  const { files, engine } = context.host;
  const mountBytes = pathFromText(group.mountPoint);
  const mountPoint = mountBytes.toString('utf8');
  // FindSource takes text, and as text a mount point that is not UTF-8 could be the name of another mount.
  const source = isUtf8(mountBytes) ? findSource(mountPoint) : undefined;
  if (source === undefined) return;
  if (!source.startsWith('/')) {
    throw new GhostkeepError(
      'IO',
      mountPoint,
      `cannot make ${ghost.path} again: ${mountPoint} comes from ${source}, which is no path`,
    );
  }
  const imageFd = files.open(`${images}/${ghost.image}`);
  try {
    const check = (magic: bigint) => assertInMemory(context, images, magic, ghost, source);
    const write = async (fd: number) => {
      await engine.restore(imageFd, fd, whenMoving(context));
      const { missing } = applyMetadata(context.host, fd, ghost, { allowPrivileged: false });
      if (missing.length > 0) context.log.warn(`could not set ${missing.join(', ')} of ${ghost.path} again`);
    };
    const made = await files.makeNames(source, linkedNamesOf(group), check, write, linkedFoldersOf(group));
    if (made !== 'nothing')
      context.log.info(`made ${made === 'file' ? 'again' : 'missing names of'} ${ghost.path} in ${source}`);
  } catch (error) {
    throw translate(error, 'IO', source, `cannot make ${ghost.path} again in ${source}`);
  } finally {
    files.close(imageFd);
  }
}

/**
 * Asserts that SOURCE is a tmpfs or ramfs. The image chooses the mount, and anybody may have written the
 * image. So we make no ghost on a disk or a file server, which others use too. The ghost's content is in the
 * image, and the user may put it there.
 */
function assertInMemory(
  { host: { files } }: Context,
  images: string,
  magic: bigint,
  ghost: ManifestGhost,
  source: string,
): void {
  if (isMemoryMagic(magic)) return;
  throw new GhostkeepError(
    'IO',
    source,
    `cannot make ${ghost.path} again in ${source}: that is neither tmpfs nor ramfs; bring its names back first (\`ghostkeep restore -D ${files.realPath(images)} --ghost ${showId(ghost.id)} --to DIR\` has its content)`,
  );
}

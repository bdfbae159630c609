/** Copies the files that a checkpoint has beside its layers: CRIU's, and ghosts that are whole. */
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import { packedGhosts } from '../../chain/packed.js';
import { isSealedOwnName } from '../../image/layout.js';
import type { Link } from '../chain/open-layers.js';
import { type Context, whenMoving } from '../context.js';

export interface OtherFile {
  name: string;
  size: bigint;
}

/**
 * Lists the files to copy when a checkpoint is to stand alone in another directory.
 * @throws BAD_INPUT if one of them is no regular file. CRIU's `parent`, for example, is a link to images that
 * lie elsewhere
 */
export function otherFiles({ host: { files } }: Context, link: Link, action: string): OtherFile[] {
  const packed = new Set(packedGhosts(link.manifest).map(({ image }) => image));
  const linked = new Set(link.manifest.ghosts.map(({ image }) => image));
  return files
    .list(link.images)
    .filter(name => !packed.has(name) && (linked.has(name) || !isSealedOwnName(name)))
    .map(name => {
      const { mode, size } = files.statPath(`${link.images}/${name}`);
      if (isRegular(mode)) return { name, size };
      throw new GhostkeepError(
        'BAD_INPUT',
        name,
        `${action}: ${link.where}/${name} is no regular file, and would not be complete there`,
      );
    });
}

/** @param made is a list that gets the path of each file before the file is made */
export async function copyOthers(
  context: Context,
  link: Link,
  others: readonly OtherFile[],
  target: string,
  made: string[],
): Promise<void> {
  const bytes = () => others.reduce((sum, { size }) => sum + size, 0n);
  context.progress?.begin({ what: 'copying', item: 'file', items: others.length, bytes });
  for (const { name } of others) {
    const [from, to] = [`${link.images}/${name}`, `${target}/${name}`];
    made.push(to);
    try {
      await copyFile(context, from, to);
    } catch (error) {
      if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) throw error;
      throw translate(error, 'IO', name, `cannot copy ${link.where}/${name}`);
    }
    context.progress?.did();
  }
}

async function copyFile(context: Context, from: string, to: string): Promise<void> {
  const { files, engine } = context.host;
  const fds: number[] = [];
  try {
    fds.push(files.open(from));
    fds.push(files.create(to));
    const [fromFd, toFd] = fds as [number, number];
    await engine.copy(fromFd, toFd, files.stat(fromFd).size, whenMoving(context));
    files.matchOwner([to], from);
    await files.flush(toFd);
  } finally {
    for (const fd of fds) files.close(fd);
  }
}

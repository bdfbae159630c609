/** Lets checkpoints of one container share the blocks that are equal. Each of them goes on to stand alone. */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { Shared, SharedDirectory } from '../../base/documents/generated/shared.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { countToJson } from '../../base/units.js';
import { pairGhosts } from '../../chain/pair.js';
import { assertStandsAlone } from '../../chain/stands-alone.js';
import { readSealedManifest } from '../../image/manifest.js';
import { type Context, whenMoving } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { beginImages } from '../steps.js';

interface Checkpoint {
  /** The directory's name, for messages. */
  where: string;
  /** The path to open its files by. */
  images: string;
  manifest: Manifest;
}

interface Bytes {
  shared: bigint;
  before: bigint;
}

/**
 * Compares each directory with the one before it, and shares equal blocks. The kernel compares the bytes once
 * more before it shares a block, and meanwhile nobody can change either file; so no content changes, whatever
 * goes wrong.
 * @throws NO_SHARING where the file system cannot share, PACKED, IN_USE, MANIFEST_MISSING, MANIFEST_INVALID
 */
export async function shareBlocks(context: Context, directories: readonly string[]): Promise<Shared> {
  assertDistinct(context, directories);
  return asOwners(context, directories, [], async checkpoints => {
    const shared: SharedDirectory[] = [];
    let total: Bytes = { shared: 0n, before: 0n };
    for (const [index, later] of checkpoints.entries()) {
      const earlier = checkpoints[index - 1];
      if (!earlier) continue;
      const { paired, ...bytes } = await shareTwo(context, earlier, later);
      total = add(total, bytes);
      shared.push({
        images: later.where,
        with: earlier.where,
        ghosts: later.manifest.ghosts.length,
        paired,
        ...toJson(bytes),
      });
    }
    return { ...toJson(total), directories: shared };
  });
}

/** Runs WORK as the owner of all the directories, so that nobody begins a dump in any of them meanwhile. */
async function asOwners<T>(
  context: Context,
  [first, ...rest]: readonly string[],
  owned: readonly Checkpoint[],
  work: (checkpoints: readonly Checkpoint[]) => Promise<T>,
): Promise<T> {
  if (first === undefined) return work(owned);
  const { files } = context.host;
  return asOwner(context, first, images => {
    const checkpoint = { where: files.realPath(first), images, manifest: readSealedManifest(files, images) };
    assertStandsAlone(checkpoint.manifest, `cannot share blocks of ${checkpoint.where}`, checkpoint.where);
    return asOwners(context, rest, [...owned, checkpoint], work);
  });
}

/** @throws BAD_INPUT where two names lead to one directory */
function assertDistinct({ host: { files } }: Context, directories: readonly string[]): void {
  const seen = new Set<string>();
  for (const directory of directories) {
    const where = files.realPath(directory);
    if (seen.has(where))
      throw new GhostkeepError('BAD_INPUT', where, `cannot share blocks: ${where} is named twice`);
    seen.add(where);
  }
}

async function shareTwo(
  context: Context,
  earlier: Checkpoint,
  later: Checkpoint,
): Promise<Bytes & { paired: number }> {
  const pairs = pairGhosts(later.manifest.ghosts, earlier.manifest.ghosts);
  let total: Bytes = { shared: 0n, before: 0n };
  beginImages(context, 'sharing', [...pairs.keys()]);
  for (const [ghost, other] of pairs) {
    total = add(total, await shareImages(context, [earlier, other], [later, ghost]));
    context.progress?.did();
  }
  return { ...total, paired: pairs.size };
}

type OneImage = readonly [Checkpoint, ManifestGhost];

async function shareImages(
  context: Context,
  [{ images: fromImages, where: fromWhere }, { image: from }]: OneImage,
  [{ images, where }, { image }]: OneImage,
): Promise<Bytes> {
  const { files, engine } = context.host;
  const action = `cannot share blocks between ${fromWhere}/${from} and ${where}/${image}`;
  const fds: number[] = [];
  try {
    fds.push(files.open(`${fromImages}/${from}`));
    fds.push(files.open(`${images}/${image}`));
    const [fromFd, toFd] = fds as [number, number];
    const { dataBytes, keptBytes } = await engine.share(fromFd, toFd, whenMoving(context));
    return { shared: dataBytes, before: keptBytes };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EOPNOTSUPP' || errno === 'ENOTSUP')
      throw new GhostkeepError(
        'NO_SHARING',
        where,
        `${action}: their file system shares no blocks between two files, as xfs and btrfs do, or they lie on two file systems; both directories are as they were; \`ghostkeep pack\` saves room on every file system`,
        { cause: error },
      );
    const code = errno === 'ENOENT' ? 'IMAGE_MISSING' : errno === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO';
    throw translate(error, code, image, action);
  } finally {
    for (const fd of fds) files.close(fd);
  }
}

const add = (one: Bytes, other: Bytes): Bytes => ({
  shared: one.shared + other.shared,
  before: one.before + other.before,
});

const toJson = ({ shared, before }: Bytes) => ({
  sharedBytes: countToJson(shared),
  sharedBefore: countToJson(before),
});

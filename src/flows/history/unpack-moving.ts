/**
 * `materialize --auto-dedup`: as unpack, but the layers give up each piece of data that an image has by now.
 * If the command fails or is killed, all that was moved stays where it is, and the same command goes on from
 * there.
 */
import path from 'node:path';
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson } from '../../base/units.js';
import { type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { isWholeName, manifestName, wholeName } from '../../image/layout.js';
import { writeManifest } from '../../image/manifest.js';
import { movedBefore, moveGhost, pieceBytes } from '../chain/move.js';
import type { Link } from '../chain/open-layers.js';
import { asOwnerOfChain, assertOnlyChild, assertOnlyChildren } from '../chain/own-chain.js';
import { aliveWhenMoving, type Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { copyOthers, otherFiles } from './copy-others.js';
import { assertSame } from './read-again.js';
import { assertRoom, leaveParent, standingAlone, type Unpacked } from './standing-alone.js';
import { tidy } from './tidy.js';
import { headOf, wholeGhost } from './unpack-one.js';

/**
 * @param images the path by which the owner may write to the directory @param name of the directory, for
 * messages
 */
export function unpackMoving(
  context: Context,
  images: string,
  name: string,
  to: string | undefined,
): Promise<Unpacked> {
  return asOwnerOfChain(context, images, name, links =>
    to === undefined ? moveHere(context, links) : moveTo(context, links, to),
  );
}

async function moveHere(context: Context, links: readonly Link[]): Promise<Unpacked> {
  const { files } = context.host;
  const [link] = links as [Link];
  const packed = packedGhosts(link.manifest);
  const action = `cannot materialize ${link.where}`;
  tidy(files, link.images);
  assertMayMove(context, links, link.where, action);
  assertRoom(context, link.images, roomFor(links, packed), action);
  const moved = await moveAll(context, links, link.images, link.where);
  writeManifest(files, link.images, standingAlone(link.manifest, moved.whole), { durable: true });
  tidy(files, link.images);
  await leaveParent(context, link);
  warnOfRefused(context, link.images);
  return { unpacked: packed.length, freedBytes: moved.freedBytes };
}

async function moveTo(context: Context, links: readonly Link[], to: string): Promise<Unpacked> {
  const { files } = context.host;
  const [link] = links as [Link];
  const action = `cannot materialize ${link.where} to ${to}`;
  files.makeDirectory(to);
  return asOwner(context, to, async target => {
    const where = files.realPath(to);
    const isBegun = assertMayMove(context, links, where, action);
    const others = otherFiles(context, link, action);
    const there = files.list(target);
    // If the manifest says that nothing was moved yet, the directory may only have images that an earlier try
    // of ours has begun.
    if (!isBegun && !there.every(isWholeName))
      throw new GhostkeepError(
        'BAD_INPUT',
        to,
        `${action}: it is not empty; name a directory that is not there yet`,
      );
    const packed = packedGhosts(link.manifest);
    const copied = others.reduce((sum, { size }) => sum + size, 0n);
    assertRoom(context, target, copied + roomFor(links, packed), action);
    const made: string[] = [];
    try {
      // Moving comes first: only the bytes that were moved before prove that this is the directory of the
      // interrupted command.
      const moved = await moveAll(context, links, target, where);
      for (const { name } of others) files.remove(`${target}/${name}`);
      await copyOthers(context, link, others, target, made);
      files.syncFolder(target);
      made.push(`${target}/${manifestName}`);
      writeManifest(files, target, standingAlone(link.manifest, moved.whole), { durable: true });
      warnOfRefused(context, target);
      return { unpacked: packed.length, freedBytes: moved.freedBytes };
    } catch (error) {
      if (packedGhosts(link.manifest).some(({ layer }) => layer.moved)) throw error;
      for (const name of [...made, ...packed.map(({ id }) => `${target}/${wholeName(id)}`)])
        files.remove(name);
      throw error;
    }
  });
}

/**
 * @returns whether an interrupted command has already moved something to TO. @throws HAS_CHILDREN, GIVEN_UP
 */
function assertMayMove(context: Context, links: readonly Link[], to: string, action: string): boolean {
  const [link] = links as [Link];
  const befores = packedGhosts(link.manifest).map(ghost => movedBefore(ghost, link.where, to));
  assertOnlyChild(context, link, undefined, action);
  assertOnlyChildren(context, links, action);
  return befores.some(before => before !== undefined);
}

async function moveAll(
  context: Context,
  links: readonly Link[],
  target: string,
  where: string,
): Promise<{ whole: Map<string, ManifestGhost>; freedBytes: bigint }> {
  const { files } = context.host;
  const [link] = links as [Link];
  const whole = new Map<string, ManifestGhost>();
  let freedBytes = 0n;
  for (const ghost of packedGhosts(link.manifest)) {
    const file = openTarget(context, link, ghost, target, where);
    try {
      files.syncFolder(target);
      const moved = await moveGhost(context, {
        links,
        ghost,
        to: where,
        toFd: file.fd,
        header: headOf(ghost),
      });
      assertSame(await context.host.engine.check(file.fd, aliveWhenMoving(context)), moved.report, file.path);
      whole.set(ghost.image, await wholeGhost(context, ghost, file.fd, moved.report));
      freedBytes += moved.freedBytes;
    } catch (error) {
      if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) throw error;
      const code = errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO';
      throw translate(
        error,
        code,
        ghost.layer.map,
        `cannot move ghost ${showId(ghost.id)} (${ghost.path}) of ${link.where}`,
      );
    } finally {
      files.close(file.fd);
    }
    if (file.path !== `${target}/${ghost.image}`) files.rename(file.path, `${target}/${ghost.image}`);
  }
  files.syncFolder(target);
  return { whole, freedBytes };
}

/**
 * Opens the file that the ghost is moved to, or makes it. If an interrupted command has begun the file, the
 * file may have its final name already.
 */
function openTarget(
  { host: { files } }: Context,
  link: Link,
  ghost: PackedGhost,
  target: string,
  where: string,
): { fd: number; path: string } {
  const names = [wholeName(ghost.id), ghost.image].map(name => path.join(target, name)) as [string, string];
  if (movedBefore(ghost, link.where, where) !== undefined) {
    const found = names.find(name => files.exists(name)) ?? names[0];
    return { fd: files.openWritable(found), path: found };
  }
  files.remove(names[0]);
  const fd = files.create(names[0]);
  files.matchOwner([names[0]], `${link.images}/${ghost.layer.map}`);
  return { fd, path: names[0] };
}

/**
 * The room that the images need beyond what the layers free. Parents that stand alone keep their images, so
 * what comes from them needs room.
 */
function roomFor(links: readonly Link[], packed: readonly PackedGhost[]): bigint {
  const keeps = links.some(({ manifest }) => manifest.ghosts.some(({ layer }) => !layer));
  return packed.reduce(
    (sum, ghost) => sum + pieceBytes(ghost) + (keeps ? countFromJson(ghost.layer.parentBytes) : 0n),
    0n,
  );
}

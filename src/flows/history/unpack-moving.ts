/**
 * `materialize --auto-dedup`: as unpack, but the layers give up what the images have already. When the
 * command fails or is killed, all that was moved stays where it is, and the same command goes on with it.
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

/** @param images as the owner may write to it @param name of the directory, for messages */
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
    // Until the record says that something was moved, nothing but our own beginnings can be here.
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
      // The bytes that were moved before show that the directory is the one of the interrupted command.
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

/** @returns whether an interrupted move has begun it. @throws HAS_CHILDREN, GIVEN_UP */
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

/** The file of an interrupted move may have its last name already. */
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
    return { fd: files.open(found, true), path: found };
  }
  files.remove(names[0]);
  const fd = files.create(names[0]);
  files.matchOwner([names[0]], `${link.images}/${ghost.layer.map}`);
  return { fd, path: names[0] };
}

/** The room that is needed besides what is given up. Parents that stand alone keep their images. */
function roomFor(links: readonly Link[], packed: readonly PackedGhost[]): bigint {
  const keeps = links.some(({ manifest }) => manifest.ghosts.some(({ layer }) => !layer));
  return packed.reduce(
    (sum, ghost) => sum + pieceBytes(ghost) + (keeps ? countFromJson(ghost.layer.parentBytes) : 0n),
    0n,
  );
}

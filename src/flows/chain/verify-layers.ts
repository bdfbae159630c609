import type { Damage } from '../../base/documents/generated/verification.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson } from '../../base/units.js';
import { type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { refusedAs } from '../../image/verify.js';
import { type Context, whenMoving } from '../context.js';
import { type Link, openLayers, openOwnLayer, Parents } from './open-layers.js';

/**
 * Checks the layers of a packed directory: map, data, and each unit of 64 KiB against its digest.
 * @param chain also read from the parents what the layers lack, down to the last
 */
export async function verifyLayers(context: Context, link: Link, chain: boolean): Promise<Damage[]> {
  const parents = new Parents(context);
  const damage: Damage[] = [];
  const packed = packedGhosts(link.manifest);
  if (packed.length > 0)
    context.progress?.begin({
      what: 'checking layers',
      item: 'ghost',
      items: packed.length,
    });
  for (const ghost of packed) {
    try {
      await verifyLayer(context, link, ghost, chain ? parents : undefined);
    } catch (error) {
      damage.push(refusedAs(ghost.layer.map, error) ?? toDamage(error, link, ghost));
    }
    context.progress?.did();
  }
  return damage;
}

async function verifyLayer(
  context: Context,
  link: Link,
  ghost: PackedGhost,
  parents: Parents | undefined,
): Promise<void> {
  const { engine } = context.host;
  const layers = parents
    ? await openLayers(context, link, ghost, parents)
    : await openOwnLayer(context, link, ghost);
  try {
    const { size, keptBytes } = await engine.checkLayer(layers.levels, whenMoving(context));
    const { parentBytes } = ghost.layer;
    // A layer that needs no parent is one level, and has nothing in a parent that was not read.
    const unread = layers.levels.length > 1 ? 0n : countFromJson(parentBytes);
    if (size !== countFromJson(ghost.size)) throw mismatch(link, ghost, 'size');
    if (keptBytes !== unread) throw mismatch(link, ghost, 'share of the parent');
  } finally {
    layers.close();
  }
}

const mismatch = ({ where }: Link, { layer }: PackedGhost, what: string) =>
  new GhostkeepError(
    'IMAGE_MISMATCH',
    layer.map,
    `${where}/${layer.map} is damaged: its ${what} is not that of the manifest`,
  );

function toDamage(error: unknown, { where }: Link, { id, path, layer }: PackedGhost): Damage {
  if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) throw error;
  const code = errnoOf(error) === 'EBADMSG' ? 'IMAGE_INVALID' : 'IO';
  const { message, ...found } = translate(
    error,
    code,
    layer.map,
    `ghost ${showId(id)} (${path}) of ${where} cannot be put together`,
  );
  return { code: found.code, subject: found.subject, message: reasonOf(new Error(message)) };
}

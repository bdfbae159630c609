import type { CheckedLayer, Damage } from '../../base/documents/generated/verification.js';
import { errnoOf, GhostkeepError, reasonOf, translate } from '../../base/errors.js';
import type { EngineReport } from '../../base/host/host.js';
import { showId } from '../../base/text/ghost-id.js';
import { countFromJson, countToJson, showBytes } from '../../base/units.js';
import { hasGiven, takersOf } from '../../chain/given.js';
import { type PackedGhost, packedGhosts } from '../../chain/packed.js';
import { refusedAs } from '../../image/verify.js';
import { type Context, whenMoving } from '../context.js';
import { type Link, openLayers, openOwnLayer, Parents } from './open-layers.js';

export interface VerifiedLayers {
  damage: Damage[];
  layers: CheckedLayer[];
}

/**
 * Checks the layers of a packed directory: map, data, and each unit of 64 KiB against its digest.
 * @param chain also read from the parents what the layers lack, down to the last
 */
export async function verifyLayers(context: Context, link: Link, chain: boolean): Promise<VerifiedLayers> {
  const parents = new Parents(context);
  const found: VerifiedLayers = { damage: [], layers: [] };
  const packed = packedGhosts(link.manifest);
  if (packed.length > 0)
    context.progress?.begin({
      what: 'checking layers',
      item: 'ghost',
      items: packed.length,
    });
  for (const ghost of packed) {
    try {
      const { report, isWhole } = await survey(context, link, ghost, chain ? parents : undefined);
      found.layers.push(stateOf(link, ghost, report));
      for (const damage of judge(link, ghost, report, isWhole)) found.damage.push(damage);
    } catch (error) {
      found.damage.push(refusedAs(ghost.layer.map, error) ?? toDamage(error, link, ghost));
    }
    context.progress?.did();
  }
  return found;
}

async function survey(
  context: Context,
  link: Link,
  ghost: PackedGhost,
  parents: Parents | undefined,
): Promise<{ report: EngineReport; isWhole: boolean }> {
  const { engine } = context.host;
  const layers = parents
    ? await openLayers(context, link, ghost, parents, { given: true })
    : await openOwnLayer(context, link, ghost, { given: true });
  try {
    const report = await layers.use(levels => engine.surveyLayer(levels, whenMoving(context)));
    // The parents were read if there are several levels. A layer that needs no parent has one level, too, but
    // then the manifest says that none of its bytes lie in a parent.
    return { report, isWhole: layers.levels.length > 1 };
  } finally {
    layers.close();
  }
}

function stateOf({ where }: Link, ghost: PackedGhost, report: EngineReport): CheckedLayer {
  return {
    id: ghost.id,
    good: countToJson(report.dataBytes),
    givenUp: countToJson(report.uncomparedBytes),
    ...(hasGiven(ghost) ? { to: takersOf(ghost, where) } : {}),
    bad: countToJson(report.differingBytes),
    unread: countToJson(report.keptBytes),
  };
}

function* judge(link: Link, ghost: PackedGhost, report: EngineReport, isWhole: boolean): Generator<Damage> {
  const { layer, id, path } = ghost;
  const of = `ghost ${showId(id)} (${path}) of ${link.where}`;
  if (report.differingBytes > 0n)
    yield damage('IMAGE_INVALID', ghost, `${of} cannot be put together: ${report.why}`);
  if (report.size !== countFromJson(ghost.size)) yield mismatch(link, ghost, 'size');
  else if (hasGiven(ghost))
    yield damage(
      'GIVEN_UP',
      ghost,
      `${of} gave up ${showBytes(report.uncomparedBytes)} to ${takersOf(ghost, link.where).join(', ')}; ${showBytes(report.dataBytes)} here are good, ${showBytes(report.differingBytes)} are bad`,
    );
  else if (report.keptBytes !== (isWhole ? 0n : countFromJson(layer.parentBytes)))
    yield mismatch(link, ghost, 'share of the parent');
}

const damage = (code: GhostkeepError['code'], { layer }: PackedGhost, message: string): Damage => ({
  code,
  subject: layer.map,
  message,
});

const mismatch = ({ where }: Link, ghost: PackedGhost, what: string) =>
  damage(
    'IMAGE_MISMATCH',
    ghost,
    `${where}/${ghost.layer.map} is damaged: its ${what} is not that of the manifest`,
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

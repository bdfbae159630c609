/** Parents that gave bytes up to a checkpoint that is to go name its children from now on. */
import path from 'node:path';
import type { Given, Manifest, Taker } from '../../base/documents/generated/manifest.js';
import { isPacked } from '../../chain/packed.js';
import { readSealedManifest, writeManifest } from '../../image/manifest.js';
import { type Link, Parents } from '../chain/open-layers.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { type Opened, readHeir } from './heirs.js';

/**
 * In the lists of takers, puts the children of LINK in the place of LINK. This is done before the children
 * take over what they need, so that the command can be repeated: the children have the bytes already, through
 * the checkpoint that goes. If there are no children, the name of LINK stays, because nobody else has the
 * bytes.
 * For the owner of the heirs and of ABOVE.
 * @param above the parent of LINK
 */
export async function renameTaker(
  context: Context,
  link: Link,
  heirs: readonly Opened[],
  above: Link,
): Promise<void> {
  const others = heirs.map(heir => readHeir(context, heir, link));
  if (others.length === 0) return;
  for (const ancestor of new Parents(context).all(link).slice(1)) {
    if (!names(ancestor, link)) continue;
    if (ancestor.where === above.where) rename(context, above.images, ancestor.where, link, others);
    else
      await asOwner(context, ancestor.images, async images =>
        rename(context, images, ancestor.where, link, others),
      );
  }
}

const isTaker = ({ path: name, created }: Taker, where: string, link: Link) =>
  path.resolve(where, name) === link.where && created === link.manifest.created;

const names = ({ manifest, where }: Link, link: Link) =>
  manifest.ghosts.some(ghost => ghost.layer?.given?.to.some(taker => isTaker(taker, where, link)));

function rename(
  { host: { files } }: Context,
  images: string,
  where: string,
  link: Link,
  [first, ...others]: readonly Link[],
): void {
  const manifest = readSealedManifest(files, images);
  const named = ({ where: name, manifest: { created } }: Link): Taker => ({
    path: path.relative(where, name),
    created,
  });
  const renamed = (given: Given): Given => {
    if (!first || !given.to.some(taker => isTaker(taker, where, link))) return given;
    // The record counts takers by their place, so each keeps its own; the other children come behind them.
    const to = given.to.map(taker => (isTaker(taker, where, link) ? named(first) : taker));
    return { ...given, to: [...to, ...others.map(named)].slice(0, mostTakers) as Given['to'] };
  };
  const next: Manifest = {
    ...manifest,
    ghosts: manifest.ghosts.map(ghost =>
      isPacked(ghost) && ghost.layer.given
        ? { ...ghost, layer: { ...ghost.layer, given: renamed(ghost.layer.given) } }
        : ghost,
    ),
  };
  writeManifest(files, images, next, { durable: true });
}

/** The schema has the same bound. */
const mostTakers = 1024;

import { GhostkeepError } from '../../base/errors.js';
import { readSealedManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { childrenBeside } from './beside.js';
import { assertNoChildren, namedChildren } from './children.js';
import { type Link, Parents } from './open-layers.js';

/**
 * Does WORK as the owner of a directory and of all its parents, so that no other directory begins to need
 * what WORK takes from them. WORK gets links that can be written to.
 * @param images the directory, as the caller may write to it
 * @param name its name, for messages
 * @param parent the parent of a directory that names none, because it needs nothing of it
 * @throws IN_USE, CHAIN_…
 */
export async function asOwnerOfChain<T>(
  context: Context,
  images: string,
  name: string,
  work: (links: readonly Link[]) => Promise<T>,
  parent?: string,
): Promise<T> {
  const { files } = context.host;
  const read = (path: string, where: string): Link => ({
    images: path,
    where,
    manifest: readSealedManifest(files, path),
  });
  const first = read(images, files.realPath(name));
  const all = (link: Link) => {
    const parents = new Parents(context);
    if (link.manifest.parent || parent === undefined) return parents.all(link);
    return [link, ...parents.all(read(parent, files.realPath(parent)))];
  };
  const before = all(first);
  const own = async (owned: readonly Link[], [next, ...rest]: readonly Link[]): Promise<T> => {
    if (next) return asOwner(context, next.images, path => own([...owned, read(path, next.where)], rest));
    // Only now, with all locks, can nobody change a manifest any more, so the chain is read again.
    const links = [read(images, first.where), ...owned];
    const now = all(links[0] as Link).map(({ where }) => where);
    if (now.join('\0') === links.map(({ where }) => where).join('\0')) return work(links);
    throw new GhostkeepError(
      'IN_USE',
      first.where,
      `cannot use ${first.where}: its parents have changed just now; try again`,
    );
  };
  return own([], before.slice(1));
}

/**
 * Each parent among the links, the last one included, may be needed by nobody but the link before it.
 * @param action begins the message
 * @param childrenRemoved children that are not there any more were removed, and need nothing
 * @throws HAS_CHILDREN
 */
export function assertOnlyChildren(
  context: Context,
  links: readonly Link[],
  action: string,
  childrenRemoved = false,
): void {
  for (const [index, link] of links.entries()) {
    const below = links[index - 1];
    if (below) assertOnlyChild(context, link, below, action, childrenRemoved);
  }
}

/**
 * Nobody but BELOW may need a directory that is to give bytes up, because others would lose those bytes. A
 * child that is not there counts, because its disk may not be mounted. A child beside the directory counts
 * although it may be missing in the list.
 * @throws HAS_CHILDREN
 */
export function assertOnlyChild(
  context: Context,
  { images, where }: Link,
  below: Link | undefined,
  action: string,
  childrenRemoved = false,
): void {
  const { files } = context.host;
  const but = below?.manifest.parent?.child;
  assertNoChildren(context, images, action, { but });
  const beside = childrenBeside(files, where).filter(name => name !== below?.where);
  if (beside.length > 0) throw needed(where, `${action}: ${beside.join(', ')} needs what is in it`);
  const gone = namedChildren(files, images).filter(
    ({ state, child, directory }) => state === 'gone' && child.id !== but && directory !== below?.where,
  );
  if (gone.length === 0 || childrenRemoved) return;
  const names = gone.map(({ directory }) => directory).join(', ');
  throw needed(
    where,
    `${action}: ${names} needed ${where}, and is not there; mount it or move it back, or, if it was removed, say \`ghostkeep dedup --children-removed\``,
  );
}

const needed = (where: string, message: string) => new GhostkeepError('HAS_CHILDREN', where, message);

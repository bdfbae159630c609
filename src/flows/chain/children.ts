/**
 * A directory knows which packed directories need it. A child is registered before it is written, so that
 * nobody takes away what it needs meanwhile. An entry counts for as long as the child may need this
 * directory.
 */
import path from 'node:path';
import { bounds } from '../../base/bounds.js';
import { assertDocument, parseDocument } from '../../base/documents/document.js';
import type { Child, Children } from '../../base/documents/generated/children.js';
import { GhostkeepError } from '../../base/errors.js';
import type { Files } from '../../base/host/host.js';
import { childrenName } from '../../image/layout.js';
import { readManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';

/** The schema has the same bound. */
const mostChildren = 1024;

/**
 * Adds CHILD to the list in IMAGES, for the owner of IMAGES. Entries of directories that do not need IMAGES
 * any more are dropped. Entries of directories that are not there stay as long as there is room, because
 * their disk may only be unmounted.
 */
export function registerChild({ host: { files } }: Context, images: string, child: Child): void {
  const named = namedChildren(files, images);
  const needing = named.filter(({ state }) => state === 'needs');
  const gone = named.filter(({ state }) => state === 'gone');
  const room = Math.max(0, mostChildren - 1 - needing.length);
  const kept = [...gone.slice(Math.max(0, gone.length - room)), ...needing].map(each => each.child);
  write(files, images, [...kept, child]);
}

/** Takes the child with this id out of the list in IMAGES, for the owner of IMAGES. */
export function unregisterChild({ host: { files } }: Context, images: string, id: string): void {
  const children = readChildren(files, images);
  const others = children.filter(child => child.id !== id);
  if (others.length < children.length) write(files, images, others);
}

/**
 * No directory may need IMAGES.
 * @param action begins the message of the error
 * @param but the id of a child that may need IMAGES
 * @param wayOut ends the message, if there is a way out
 * @throws HAS_CHILDREN
 */
export function assertNoChildren(
  { host: { files } }: Context,
  images: string,
  action: string,
  { but, wayOut }: { but?: string | undefined; wayOut?: string } = {},
): void {
  const needing = namedChildren(files, images).filter(
    ({ state, child }) => state === 'needs' && child.id !== but,
  );
  if (needing.length === 0) return;
  const names = needing.map(({ directory }) => directory);
  throw new GhostkeepError(
    'HAS_CHILDREN',
    files.realPath(images),
    `${action}: ${names.join(', ')} ${names.length === 1 ? 'needs' : 'need'} what is in it${wayOut ? `; ${wayOut}` : ''}`,
  );
}

/**
 * For whoever is about to write another checkpoint into IMAGES: other directories must not lose what they
 * need of the one in it.
 * @throws HAS_CHILDREN
 */
export function assertMayReplace(context: Context, images: string): void {
  const { files } = context.host;
  if (!files.exists(`${images}/${childrenName}`)) return;
  const where = files.realPath(images);
  assertNoChildren(context, images, `cannot write a checkpoint into ${where}`, {
    wayOut: `choose another directory, or run \`ghostkeep forget -D ${where}\` first, which gives them what they need`,
  });
}

/** Without children there is no list, so everybody sees at once that nothing needs the directory. */
function write(files: Files, images: string, children: readonly Child[]): void {
  if (children.length === 0) {
    files.remove(`${images}/${childrenName}`);
    files.syncFolder(images);
    return;
  }
  const document: Children = { format: 'ghostkeep', version: 1, children: [...children] };
  assertDocument<Children>('Children', document, childrenName, 'MANIFEST_INVALID');
  files.replace(`${images}/${childrenName}`, Buffer.from(`${JSON.stringify(document, null, 1)}\n`));
}

function readChildren(files: Files, images: string): Child[] {
  const bytes = files.readIfThere(`${images}/${childrenName}`, bounds.children);
  if (!bytes) return [];
  const subject = `${files.realPath(images)}/${childrenName}`;
  return parseDocument<Children>('Children', bytes.toString('utf8'), subject, 'MANIFEST_INVALID').children;
}

/** A directory that IMAGES lists as one that needs it. */
export interface NamedChild {
  child: Child;
  directory: string;
  /**
   * `needs`: it needs IMAGES, or may need it, because its manifest cannot be read. `gone`: there is no such
   * directory. `other`: what is there does not need IMAGES.
   */
  state: 'needs' | 'gone' | 'other';
}

/** @throws MANIFEST_INVALID where the list in IMAGES is damaged */
export function namedChildren(files: Files, images: string): NamedChild[] {
  const where = files.realPath(images);
  return readChildren(files, images).map(child => {
    const directory = path.resolve(where, child.path);
    return { child, directory, state: stateOf(files, where, directory, child) };
  });
}

/**
 * A directory whose manifest cannot be read may be a child, so it counts as one (`needs`). Only a missing
 * manifest, or one that was read, shows that the directory is no child.
 */
function stateOf(files: Files, where: string, directory: string, { id }: Child): NamedChild['state'] {
  if (!files.exists(directory)) return 'gone';
  try {
    const { parent } = readManifest(files, directory);
    if (parent?.child !== id) return 'other';
    // IMAGES may be a copy of the parent, with the same list. The child needs the original, as long as that
    // is there.
    const needed = path.resolve(files.realPath(directory), parent.path);
    return files.realPath(needed) === where || !files.exists(needed) ? 'needs' : 'other';
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    return error.code === 'MANIFEST_MISSING' ? 'other' : 'needs';
  }
}

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

/** For the owner of IMAGES. Entries of directories that need it no longer are dropped. */
export function registerChild({ host: { files } }: Context, images: string, child: Child): void {
  write(files, images, [...livingChildren(files, images), child]);
}

/** For the owner of IMAGES. */
export function unregisterChild({ host: { files } }: Context, images: string, id: string): void {
  const children = readChildren(files, images);
  const others = children.filter(child => child.id !== id);
  if (others.length < children.length) write(files, images, others);
}

/**
 * @param action begins the message
 * @param but the id of a child that may need it
 * @throws HAS_CHILDREN
 */
export function assertNoChildren(
  { host: { files } }: Context,
  images: string,
  action: string,
  but?: string,
): void {
  const children = livingChildren(files, images).filter(({ id }) => id !== but);
  if (children.length === 0) return;
  const where = files.realPath(images);
  const names = children.map(child => path.resolve(where, child.path));
  throw new GhostkeepError(
    'HAS_CHILDREN',
    where,
    `${action}: ${names.join(', ')} ${names.length === 1 ? 'needs' : 'need'} what is in it`,
  );
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

function livingChildren(files: Files, images: string): Child[] {
  const where = files.realPath(images);
  return readChildren(files, images).filter(child => mayNeed(files, path.resolve(where, child.path), child));
}

/** A manifest that cannot be read may be a child's, so only one that can be read says that it is none. */
function mayNeed(files: Files, directory: string, { id }: Child): boolean {
  if (!files.exists(directory)) return false;
  try {
    return readManifest(files, directory).parent?.child === id;
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    return error.code !== 'MANIFEST_MISSING';
  }
}

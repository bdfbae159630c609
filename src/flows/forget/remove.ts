/** Removes the files of a checkpoint, when nothing needs them any more. */
import type { Files } from '../../base/host/host.js';
import { manifestName } from '../../image/layout.js';
import type { KnownFile } from './known-files.js';

/**
 * CRIU restores nothing if inventory.img or pstree.img is missing, so one of these is removed first. The file
 * by which a directory is known as a checkpoint goes last (the manifest, or inventory.img if there is none),
 * so that a command that was killed can be repeated.
 * @param beforeLast is called when only that file is left
 * @returns whether the directory was removed, too
 */
export function removeCheckpoint(
  files: Files,
  { images, where }: { images: string; where: string },
  known: readonly KnownFile[],
  beforeLast: () => void,
): boolean {
  const names = new Set(known.map(({ name }) => name));
  const last = names.has(manifestName) ? manifestName : 'inventory.img';
  const first = names.has(manifestName) ? 'inventory.img' : 'pstree.img';
  const others = [...names].filter(name => name !== first && name !== last);
  for (const some of [[first], others])
    remove(
      files,
      images,
      some.filter(name => names.has(name)),
    );
  beforeLast();
  remove(
    files,
    images,
    [last].filter(name => names.has(name)),
  );
  return files.removeEmpty(where);
}

function remove(files: Files, images: string, names: readonly string[]): void {
  for (const name of names) files.remove(`${images}/${name}`);
  if (names.length > 0) files.syncFolder(images);
}

/**
 * Images in a directory that the current dump did not make. A dump without CRIU makes `ghost-file-*.img`
 * beside the files that are there, and these may be the only copy of files that are gone, so such a dump
 * refuses the directory. CRIU itself writes over an earlier checkpoint, so under the gate nothing is refused;
 * but an image that was left over must not pass for an image of this checkpoint.
 */
import { bounds } from '../../base/bounds.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { Files } from '../../base/host/host.js';
import { remappedGhosts } from '../../criu/seal-plan.js';
import { ghostImageName, isGhostImageName, journalName } from '../../image/layout.js';
import { manifestExists, readManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';

/**
 * Refuses a directory with images that would be lost. Images of an earlier dump without CRIU are ours to
 * replace, if its manifest lists them. @throws BAD_INPUT
 */
export function assertNoImages({ host: { files } }: Context, images: string): void {
  if (!files.exists(images)) return;
  const own = new Set(imagesAlone(files, images));
  const others = files.list(images).filter(name => name.endsWith('.img') && !own.has(name));
  const [first] = others.sort();
  if (first === undefined) return;
  const where = files.realPath(images);
  const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
  throw new GhostkeepError(
    'BAD_INPUT',
    where,
    `cannot dump into ${where}: ${first}${more} in it was not made by a dump of ghostkeep's that is there, and would be lost; choose another directory`,
  );
}

/** Removes the images of an earlier dump without CRIU; another dump takes its place. */
export function removeImagesAlone({ host: { files } }: Context, images: string): void {
  for (const name of imagesAlone(files, images)) files.remove(`${images}/${name}`);
}

function imagesAlone(files: Files, images: string): string[] {
  if (!manifestExists(files, images)) return [];
  const { criu, ghosts } = readManifest(files, images);
  return criu ? [] : ghosts.map(({ image }) => image).filter(isGhostImageName);
}

/** The manifest's schema has the same bound. */
const mostEarlier = 10_000;

/**
 * Notes the ghosts of the checkpoint that CRIU is about to replace. Only ghosts that the checkpoint's
 * remap-fpath.img names surely belong to it. If that file cannot be read or names too many, we note none, and
 * the images stay.
 */
export function noteEarlierGhosts({ host: { files } }: Context, images: string): number[] {
  try {
    const ids = remappedGhosts(files.readIfThere(`${images}/remap-fpath.img`, bounds.remaps));
    return ids.size <= mostEarlier ? [...ids] : [];
  } catch {
    return [];
  }
}

/**
 * The `ghost-file-*.img` that were there before CRIU wrote anything: the name of each, and its device, inode,
 * size and times.
 */
export type OlderImages = ReadonlyMap<string, string>;

export function noteOlderImages({ host: { files } }: Context, images: string): OlderImages {
  const names = files.exists(images) ? files.list(images).filter(isGhostImageName) : [];
  return new Map(names.map(name => [name, stateOf(files, `${images}/${name}`)]));
}

/**
 * Renames images that CRIU's new remap-fpath.img names but CRIU has not written, to NAME.earlier: they hold
 * the content of another file. In any doubt we take an image for CRIU's. So an image is renamed only if it is
 * the same inode, unchanged since OLDER was noted, and older than our journal. The journal was written before
 * CRIU's first image, and by the same clock.
 * @returns the old names
 */
export function setAsideOlderImages(
  { host: { files } }: Context,
  images: string,
  older: OlderImages,
): string[] {
  if (older.size === 0 || !files.exists(`${images}/${journalName}`)) return [];
  const journal = files.statPath(`${images}/${journalName}`).mtimeNs;
  const named = [...remappedGhosts(files.readIfThere(`${images}/remap-fpath.img`, bounds.remaps))].map(
    ghostImageName,
  );
  const left = named.filter(name => {
    const before = older.get(name);
    const path = `${images}/${name}`;
    return before !== undefined && before === stateOf(files, path) && files.statPath(path).ctimeNs < journal;
  });
  for (const name of left) files.rename(`${images}/${name}`, `${images}/${name}.earlier`);
  return left;
}

function stateOf(files: Files, path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = files.statPath(path);
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return 'gone';
  }
}

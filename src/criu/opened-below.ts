/** The files below a folder that CRIU opens by their names, as its images say. */
import { nameIn, nameText, openFilesIn } from './files-image.js';
import { readRemaps } from './seal-plan.js';

/**
 * @param remaps undefined where CRIU wrote no remap-fpath.img
 * @param start the path of the folder, with a slash behind it
 * @returns names, without those of files that have a remap: CRIU makes these again
 * @throws CRIU_IMAGE_INVALID
 */
export function namesBelow(files: Buffer, remaps: Buffer | undefined, start: string): Buffer[] {
  const remapped = new Set([...readRemaps(remaps)].map(({ origId }) => origId));
  const found: Buffer[] = [];
  for (const { id, reg } of openFilesIn(files)) {
    if (!reg || reg.isExternal || remapped.has(id)) continue;
    if (nameText(files, reg).startsWith(start)) found.push(nameIn(files, reg));
  }
  return found;
}

/**
 * The path of a new directory in PLACE for the bases of one container, where many containers and users share
 * PLACE (/tmp, for example). Nobody can guess its name and make it before us. The directory is removed with
 * its last base.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';

export function passingFolder(place: string): string {
  return path.join(place, `ghostkeep-bases-${randomBytes(8).toString('hex')}`);
}

/** Did passingFolder make this name? If PLACE is given, only a name in PLACE counts. */
export function isPassingFolder(folder: string, place = path.dirname(folder)): boolean {
  return path.dirname(folder) === place && /^ghostkeep-bases-[0-9a-f]{16}$/.test(path.basename(folder));
}

/**
 * Where many containers and users share a folder, as in /tmp, the bases of each container get a directory of
 * their own in it. Nobody can guess its name and make it before us. It goes with its last base.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';

export function passingFolder(place: string): string {
  return path.join(place, `ghostkeep-bases-${randomBytes(8).toString('hex')}`);
}

/** Did passingFolder(PLACE), or of any place, make this name? */
export function isPassingFolder(folder: string, place = path.dirname(folder)): boolean {
  return path.dirname(folder) === place && /^ghostkeep-bases-[0-9a-f]{16}$/.test(path.basename(folder));
}

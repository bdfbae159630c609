/**
 * After a power cut, a file that was renamed into another folder may have the earlier name and the new one.
 * This was seen on btrfs if the folder with the new name was fsynced, and the other folder was not.
 */
import type { Context } from '../context.js';

/** True if both names exist and are of one file. */
export function areOneFile({ host: { files } }: Context, name: string, other: string): boolean {
  if (!files.exists(name) || !files.exists(other)) return false;
  const [one, two] = [files.statPath(name), files.statPath(other)];
  return one.dev === two.dev && one.ino === two.ino;
}

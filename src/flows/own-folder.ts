import { isDirectory } from '../ghost/kind.js';
import { folder } from '../image/layout.js';
import type { Context } from './context.js';

/**
 * Is IMAGES/ghostkeep a folder, nobody's but ours to write to? Image directories come from elsewhere: a link there leads
 * anywhere, and what others may write to is not what was written.
 */
export function isOwnFolder({ host }: Context, images: string): boolean {
  const path = `${images}/${folder}`;
  if (!host.files.exists(path)) return false;
  const { uid, mode } = host.files.statPath(path);
  return isDirectory(mode) && uid === host.uid() && (mode & 0o022) === 0;
}

import { isDirectory } from '../base/host/file-type.js';
import type { Host } from '../base/host/host.js';
import { folder } from './layout.js';

/**
 * Is IMAGES/ghostkeep a folder that only we can write to? Image directories come from elsewhere: a link there
 * may lead anywhere, and others may have changed the files in a folder that they can write to.
 */
export function isOwnFolder({ host }: { host: Host }, images: string): boolean {
  const path = `${images}/${folder}`;
  if (!host.files.exists(path)) return false;
  const { uid, mode } = host.files.statPath(path);
  return isDirectory(mode) && uid === host.uid() && (mode & 0o022) === 0;
}

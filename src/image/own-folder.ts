import { errnoOf } from '../base/errors.js';
import { isDirectory } from '../base/host/file-type.js';
import type { Host } from '../base/host/host.js';
import { folder } from './layout.js';

/**
 * Is IMAGES/ghostkeep a folder that only we can write to? Image directories come from elsewhere: a link there
 * may lead anywhere, and others may have changed the files in a folder that they can write to.
 */
export function isOwnFolder({ host }: { host: Host }, images: string): boolean {
  return isPrivate(host, `${images}/${folder}`);
}

/** Is PATH a folder of ours that nobody else can write to? False where there is none. */
export function isPrivate({ files, uid }: Host, path: string): boolean {
  try {
    const stat = files.statPath(path);
    return isDirectory(stat.mode) && stat.uid === uid() && (stat.mode & 0o022) === 0;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

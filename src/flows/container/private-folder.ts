import { isDirectory } from '../../base/host/file-type.js';
import type { Host } from '../../base/host/host.js';

/** Is FOLDER a folder of ours that nobody else can write to? False where there is none. */
export function isPrivate({ files, uid }: Host, folder: string): boolean {
  if (!files.exists(folder)) return false;
  const stat = files.statPath(folder);
  return isDirectory(stat.mode) && stat.uid === uid() && (stat.mode & 0o022) === 0;
}

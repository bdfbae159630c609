import type { Files, Host } from '../base/host/host.js';
import { folder, isSealedOwnName, manifestName, oldManifestName } from './layout.js';
import { isOwnFolder } from './own-folder.js';
import { assertNotReceiving } from './receiving.js';

/**
 * Remove our files of an earlier dump from IMAGES. The directory may be used again, and those files must not
 * be taken for this dump's.
 * @param keep names of images in the working folder that stay, because they already belong to this dump
 * @throws BAD_INPUT where ghosts of another host are there, and nothing is removed
 */
export function clearImages(host: Host, images: string, keep: readonly (string | undefined)[] = []): void {
  const { files } = host;
  assertNotReceiving(files, images);
  const workFolder = `${images}/${folder}`;
  const kept = new Set(keep.filter(name => name !== undefined));
  const isOwn = isOwnFolder({ host }, images);
  clearSealed(files, images);
  // If our folder is a link, it leads to another directory, which does not belong to this dump.
  if (isOwn) files.remove(`${images}/${oldManifestName}`);
  if (kept.size === 0 || !isOwn) files.removeTree(workFolder);
  else
    for (const name of files.list(workFolder))
      if (!kept.has(`${folder}/${name}`)) files.removeTree(`${workFolder}/${name}`);
}

/**
 * The manifest is removed first, because without it nothing counts as a dump. A folder with such a name is
 * somebody's mistake and is removed too.
 */
function clearSealed(files: Files, images: string): void {
  files.removeTree(`${images}/${manifestName}`);
  if (!files.exists(images)) return;
  for (const name of files.list(images).filter(isSealedOwnName)) files.removeTree(`${images}/${name}`);
}

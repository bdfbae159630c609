import type { Files, Host } from '../base/host/host.js';
import { folder, isSealedOwnName, manifestName, oldManifestName } from './layout.js';
import { isOwnFolder } from './own-folder.js';

/**
 * Remove what an earlier dump left of ours in IMAGES, which may be used again: it must not pass for this
 * dump's.
 * @param keep names of images in the working folder that stay, because they are this dump's already
 */
export function clearImages(host: Host, images: string, keep: readonly (string | undefined)[] = []): void {
  const { files } = host;
  const ours = `${images}/${folder}`;
  const kept = new Set(keep.filter(name => name !== undefined));
  const isOwn = isOwnFolder({ host }, images);
  clearSealed(files, images);
  // Behind a link lies another directory, which is not this dump's.
  if (isOwn) files.remove(`${images}/${oldManifestName}`);
  if (kept.size === 0 || !isOwn) files.removeTree(ours);
  else
    for (const name of files.list(ours))
      if (!kept.has(`${folder}/${name}`)) files.removeTree(`${ours}/${name}`);
}

/**
 * The manifest first: without it, nothing passes for a dump. A folder by such a name is somebody's mistake.
 */
function clearSealed(files: Files, images: string): void {
  files.removeTree(`${images}/${manifestName}`);
  if (!files.exists(images)) return;
  for (const name of files.list(images).filter(isSealedOwnName)) files.removeTree(`${images}/${name}`);
}

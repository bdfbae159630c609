import type { Host } from '../base/host/host.js';
import { folder, manifestName } from './layout.js';
import { isOwnFolder } from './own-folder.js';

/**
 * Remove what an earlier dump left of ours in IMAGES, which may be used again: it must not pass for this
 * dump's.
 * @param keep names of images that stay, because they are this dump's already
 */
export function clearImages(host: Host, images: string, keep: readonly (string | undefined)[] = []): void {
  const { files } = host;
  const ours = `${images}/${folder}`;
  const kept = new Set(keep.filter(name => name !== undefined));
  const isOwn = isOwnFolder({ host }, images);
  // Behind a link lies another directory, which is not this dump's.
  if (isOwn) files.remove(`${images}/${manifestName}`);
  if (kept.size === 0 || !isOwn) files.removeTree(ours);
  else
    for (const name of files.list(ours))
      if (!kept.has(`${folder}/${name}`)) files.removeTree(`${ours}/${name}`);
}

import { isRegular } from '../../base/host/file-type.js';
import { packedGhosts } from '../../chain/packed.js';
import { syncImage } from '../../image/sync-image.js';
import type { Link } from '../chain/open-layers.js';
import type { Context } from '../context.js';

/**
 * Waits until the disk has all files of a directory, CRIU's too. From now on the directory's layers are read
 * from the disk and not from the page cache: a page that never reached the disk would look the same in
 * memory.
 * @throws IO if the disk could not take one of the files
 */
export async function settleAll(context: Context, { images, manifest }: Link): Promise<void> {
  const { files, engine } = context.host;
  for (const name of files.list(images))
    if (isRegular(files.statPath(`${images}/${name}`).mode))
      syncImage(files, images, name, 'nothing was given up for it');
  files.syncFolder(images);
  for (const { layer } of packedGhosts(manifest))
    for (const name of [layer.map, layer.data]) {
      const fd = files.open(`${images}/${name}`);
      try {
        await engine.settle(fd);
      } finally {
        files.close(fd);
      }
    }
}

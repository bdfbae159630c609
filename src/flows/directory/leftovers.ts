/**
 * A process that was killed while it dumped has left its working folder. The next owner of the directory
 * removes it: containerd's CRI takes no directory with a folder in it. It is in nobody's way otherwise, so
 * that a folder that cannot be removed is no failure.
 */
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { folder, isPendingName, journalName } from '../../image/layout.js';
import { isOldLayout, manifestExists, readJournal, readManifest } from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';

/** Remove the working folder, unless it holds what a journal or a manifest names. For the owner of IMAGES. */
export function removeLeftovers(context: Context, images: string): void {
  const { files } = context.host;
  attempt(context, images, () => {
    if (!isOwnFolder(context, images) || files.exists(`${images}/${journalName}`)) return;
    if (isOldLayout(files, images)) return;
    // A manifest that is refused may name images in the working folder.
    if (manifestExists(files, images)) readManifest(files, images);
    files.removeTree(`${images}/${folder}`);
  });
}

/** Remove the images of a warm pass whose dump has not begun. The images of an older dump's journal stay. */
export function removeWarmImages(context: Context, images: string): void {
  const { files } = context.host;
  attempt(context, images, () => {
    if (!isOwnFolder(context, images)) return;
    // The images that a dump has written over its warm ones keep these names until they are sealed.
    const listed = new Set(readJournal(files, images)?.ghosts.map(({ image }) => image));
    const names = files.list(`${images}/${folder}`).map(name => `${folder}/${name}`);
    for (const name of names.filter(isPendingName))
      if (name.startsWith(`${folder}/warm-`) && !listed.has(name)) files.remove(`${images}/${name}`);
  });
  removeLeftovers(context, images);
}

function attempt({ log }: Context, images: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof GhostkeepError) && errnoOf(error) === undefined) throw error;
    log.info(`cannot remove what a dump that was killed has left in ${images}: ${reasonOf(error)}`);
  }
}

/**
 * A process that is killed while it dumps leaves its working folder. The next owner of the directory removes
 * that folder, because containerd's CRI accepts no directory with a folder in it. The folder does no other
 * harm, so failing to remove it is no error.
 */
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { folder, isBaseName, isPendingName, journalName } from '../../image/layout.js';
import {
  holdsCheckpoint,
  isOldLayout,
  manifestExists,
  readJournal,
  readManifest,
} from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import { isReceiving } from '../../image/receiving.js';
import type { Context } from '../context.js';

/**
 * Removes the working folder, unless it holds images that a journal or a manifest names. For the owner of
 * IMAGES.
 */
export function removeLeftovers(context: Context, images: string): void {
  const { files } = context.host;
  attempt(context, images, () => {
    if (!isOwnFolder(context, images) || files.exists(`${images}/${journalName}`)) return;
    if (isOldLayout(files, images) || isReceiving(files, images)) return;
    // A manifest that we cannot accept may name images in the working folder, so reading it here must
    // succeed.
    if (manifestExists(files, images)) readManifest(files, images);
    if (holdsCheckpoint(files, images)) files.removeTree(`${images}/${folder}`);
    else removeAllButBases(context, images);
  });
}

/**
 * Removes everything in the working folder but bases: a round has put them there for the checkpoint to come.
 */
function removeAllButBases({ host: { files } }: Context, images: string): void {
  const workFolder = `${images}/${folder}`;
  const names = files.list(workFolder);
  const others = names.filter(name => !isBaseName(`${folder}/${name}`));
  for (const name of others.length < names.length ? others : []) files.removeTree(`${workFolder}/${name}`);
  if (others.length === names.length) files.removeTree(workFolder);
}

/**
 * Removes the images of a warm pass whose dump has not begun. Images that an older dump's journal lists stay.
 */
export function removeWarmImages(context: Context, images: string): void {
  const { files } = context.host;
  attempt(context, images, () => {
    if (!isOwnFolder(context, images)) return;
    // Images that a dump has written over warm ones keep these names until the dump is sealed.
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
    log.info(`cannot remove the leftovers of a killed dump in ${images}: ${reasonOf(error)}`);
  }
}

/**
 * The last step of a move. Everything has arrived in the working folder and was checked, and now each file
 * gets its name in the directory. If the step is interrupted, the next receiver or `ghostkeep seal` finishes
 * it.
 */
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import { arrivedFolder, folder, manifestName, placingName } from '../../image/layout.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';

/**
 * Notes on the disk that the last step has begun. From now on nothing is refused: only names are left to be
 * given.
 */
export function beginPlacing({ host: { files } }: Context, images: string): void {
  files.syncFolder(`${images}/${arrivedFolder}`);
  files.replace(`${images}/${placingName}`, Buffer.alloc(0), { durable: true });
}

/**
 * Gives all files that have arrived their names in the directory, the manifest last. @throws SEAL_FAILED
 * where somebody has put a file of that name there meanwhile
 */
export function place(context: Context, images: string): void {
  const { files } = context.host;
  const arrived = `${images}/${arrivedFolder}`;
  const names = files.list(arrived).filter(name => name !== manifestName);
  for (const name of names) give(context, images, name);
  files.syncFolder(images);
  if (files.exists(`${arrived}/${manifestName}`)) give(context, images, manifestName);
  files.syncFolder(images);
  files.removeTree(`${images}/${folder}`);
}

/** Finishes the last step for `ghostkeep seal` if a receiver was interrupted in it. @throws IN_USE */
export async function finishPlacing(context: Context, images: string): Promise<void> {
  if (!context.host.files.exists(`${images}/${placingName}`)) return;
  await asOwner(context, images, owned => {
    if (isOwnFolder(context, owned)) place(context, owned);
  });
}

/**
 * After a power cut, a file that was renamed into another folder may have the earlier name and the new one.
 * This was seen on btrfs if the folder with the new name was fsynced, and the other folder was not.
 * @returns true if both names exist and are of one file
 */
export function areOneFile({ host: { files } }: Context, name: string, other: string): boolean {
  if (!files.exists(name) || !files.exists(other)) return false;
  const [one, two] = [files.statPath(name), files.statPath(other)];
  return one.dev === two.dev && one.ino === two.ino;
}

function give(context: Context, images: string, name: string): void {
  const { files } = context.host;
  const [from, to] = [`${images}/${arrivedFolder}/${name}`, `${images}/${name}`];
  try {
    files.renameNew(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if (areOneFile(context, from, to)) {
      files.remove(from);
      return;
    }
    const where = files.realPath(images);
    throw new GhostkeepError(
      'SEAL_FAILED',
      where,
      `cannot name ${name}: another program has put a file of this name into ${where} meanwhile; move that elsewhere, then \`ghostkeep seal -D ${where}\``,
      { cause: error },
    );
  }
}

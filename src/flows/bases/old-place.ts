import { GhostkeepError } from '../../base/errors.js';
import type { Context } from '../context.js';
import { holderOf } from '../directory/owner.js';
import { prepareFolder } from './base-file.js';

/**
 * Calls MOVE, which moves bases back into IMAGES. Somebody else may write into that directory by now, or it
 * may hold a checkpoint. So we own it meanwhile, and wait for nobody.
 * @throws IN_USE, BAD_INPUT, PERMISSION, an errno error: before MOVE is called
 */
export function intoOldPlace(context: Context, images: string, move: () => void): void {
  const { files } = context.host;
  const lock = files.lock(images);
  try {
    if (!lock || holderOf(context, images) !== undefined)
      throw new GhostkeepError('IN_USE', images, `somebody writes into ${images}`);
    prepareFolder(context, lock.path);
    move();
  } finally {
    if (lock) files.close(lock.fd);
  }
}

/** Writes what a user asked for into a file that the user has named. */
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import type { Files } from '../../base/host/host.js';
import type { Context } from '../context.js';

/**
 * A reader sees the old file or the whole new one. FILE may be a regular file or not be there: a device, a
 * FIFO, a folder or a link stays as it is.
 * @param mode of a file that is not there yet
 * @throws IO
 */
export function writeDocument({ host: { files } }: Context, file: string, text: string, mode: number): void {
  const action = `cannot write ${file}`;
  if (!isFreeOrRegular(files, file))
    throw new GhostkeepError('IO', file, `${action}: it is not a regular file, and is left as it is`);
  try {
    files.replace(file, Buffer.from(text), { durable: false, mode });
  } catch (error) {
    throw translate(error, 'IO', file, action);
  }
}

function isFreeOrRegular(files: Files, file: string): boolean {
  try {
    return isRegular(files.statPath(file).mode);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw translate(error, 'IO', file, `cannot write ${file}`);
  }
}

/** A directory into which ghosts are moved from another host holds their only copy until it is sealed. */
import { GhostkeepError } from '../base/errors.js';
import type { Files } from '../base/host/host.js';
import { manifestName, placingName, receiverName } from './layout.js';

export function isReceiving(files: Files, images: string): boolean {
  return files.exists(`${images}/${receiverName}`) && !files.exists(`${images}/${manifestName}`);
}

/** @throws BAD_INPUT */
export function assertNotReceiving(files: Files, images: string): void {
  if (!isReceiving(files, images)) return;
  const where = files.realPath(images);
  throw new GhostkeepError(
    'BAD_INPUT',
    where,
    `cannot dump into ${where}: ghosts were moved there from another host; choose another directory, or remove ${where}/ghostkeep if nobody needs them`,
  );
}

/** Why a directory that is being received into is no checkpoint. */
export function incomplete(files: Files, images: string): GhostkeepError {
  const where = files.realPath(images);
  if (files.exists(`${images}/${placingName}`))
    return new GhostkeepError(
      'INCOMPLETE',
      where,
      `cannot use ${where}: all has arrived, and the receiver was interrupted at its end; run \`ghostkeep seal -D ${where}\``,
    );
  return new GhostkeepError(
    'INCOMPLETE',
    where,
    `cannot use ${where}: ghosts were moved there, and CRIU's files have not all arrived; run \`ghostkeep send-images\` on the source`,
  );
}

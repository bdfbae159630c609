/** The working folder of a receiver, and the document in it that says which receiver it is. */
import { randomBytes } from 'node:crypto';
import type { Receiver } from '../../base/documents/generated/receiver.js';
import { GhostkeepError } from '../../base/errors.js';
import {
  arrivedFolder,
  folder,
  incomingName,
  isMakingName,
  movedKey,
  placingName,
} from '../../image/layout.js';
import { holdsCheckpoint, manifestExists } from '../../image/manifest.js';
import { isOwnFolder } from '../../image/own-folder.js';
import type { Context } from '../context.js';
import { place } from './place.js';
import { readReceiver, writeReceiver } from './receiver-file.js';
import { finishShaping, openDisk } from './shape.js';

const bootId = '/proc/sys/kernel/random/boot_id';
const bootIdBytes = 36;

/**
 * Makes the directory ready to receive. The caller owns it. @returns the receiver that it belongs to
 * @throws BAD_INPUT, ALREADY_SEALED where it holds a checkpoint; PERMISSION where the folder is not ours
 */
export function openReceiver(context: Context, images: string): Receiver {
  const { files } = context.host;
  const where = files.realPath(images);
  if (isOwnFolder(context, images) && files.exists(`${images}/${placingName}`)) place(context, images);
  if (manifestExists(files, images))
    throw new GhostkeepError(
      'ALREADY_SEALED',
      where,
      `cannot receive into ${where}: it is a sealed checkpoint; choose another directory`,
    );
  if (holdsCheckpoint(files, images))
    throw new GhostkeepError(
      'BAD_INPUT',
      where,
      `cannot receive into ${where}: it holds a checkpoint; choose another directory`,
    );
  files.makeDirectory(`${images}/${folder}`);
  if (!isOwnFolder(context, images))
    throw new GhostkeepError(
      'PERMISSION',
      where,
      `cannot receive into ${where}: ${where}/${folder} belongs to somebody else, or others may write to it`,
    );
  removeHalf(context, images);
  const known = readReceiver(context, images);
  if (known?.shaping) goOnShaping(context, images, known);
  return current(context, images, known);
}

function goOnShaping(context: Context, images: string, receiver: Receiver): void {
  const disk = openDisk(context, images);
  try {
    finishShaping(context, images, receiver, disk);
  } finally {
    context.host.files.close(disk);
  }
}

/** Removes files that an earlier receiver had not finished when it ended. */
function removeHalf({ host: { files } }: Context, images: string): void {
  for (const name of files.list(`${images}/${folder}`).map(each => `${folder}/${each}`))
    if (name === incomingName || isMakingName(name)) files.remove(`${images}/${name}`);
}

/**
 * Returns KNOWN, or makes the receiver's document for this boot of the host. After a reboot nobody knows
 * which table was on the disk before which content. So all tables are removed, and made anew from the
 * content.
 */
function current({ host: { files } }: Context, images: string, known: Receiver | undefined): Receiver {
  const boot = files.readStart(bootId, bootIdBytes).toString('latin1');
  if (known?.boot === boot) return known;
  const workFolder = `${images}/${folder}`;
  for (const name of files.list(workFolder))
    if (movedKey(name) !== undefined && name.endsWith('.table')) files.remove(`${workFolder}/${name}`);
  files.syncFolder(workFolder);
  const receiver = known
    ? { ...known, boot }
    : { version: 1 as const, receiver: randomBytes(16).toString('hex'), boot };
  writeReceiver(files, images, receiver);
  files.syncFolder(images);
  return receiver;
}

/** Bytes on disk that the receiver's files take already. */
export function usedBytes({ host: { files } }: Context, images: string): bigint {
  const sizes = [folder, arrivedFolder].flatMap(part => {
    const path = `${images}/${part}`;
    return files.exists(path)
      ? files.list(path).map(name => files.statPath(`${path}/${name}`).allocated)
      : [];
  });
  return sizes.reduce((sum, bytes) => sum + bytes, 0n);
}

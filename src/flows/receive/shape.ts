/**
 * Makes images of large ghosts where their content lies, without a copy, because processes may be frozen for
 * as long as a copy takes. A ghost is never without its bytes: the disk has the first block a second time
 * before anything is written over it, and receiver.json says what is being done.
 */
import type { Receiver } from '../../base/documents/generated/receiver.js';
import { bytesFromBase64 } from '../../base/text/base64.js';
import { arrivedFolder, folder, movedName, movedTableName, receiverName } from '../../image/layout.js';
import type { MoveSealGhost } from '../../move/messages.js';
import type { Context } from '../context.js';
import { areOneFile } from './place.js';
import { writeReceiver } from './receiver-file.js';

type Shaping = NonNullable<Receiver['shaping']>;
type ShapedGhost = Shaping['ghosts'][number];

/** A smaller ghost is copied, which takes next to no time. */
const leastBytes = 1n << 20n;
/**
 * One part in so many of the content may be holes. The image keeps these holes, and CRIU reads them at a
 * restore.
 */
const mostHoles = 8n;
const mostRuns = 256;
/** So many ghosts become images at once; schemas/receiver.schema.json has the same number. */
const atOnce = 64;
/** From so many files on, one syncfs(2) is faster than an fsync(2) for each. */
export const wholeFrom = 8;

/**
 * Opens a descriptor for a sync of the whole disk. The caller opens it before anything is written, and closes
 * it. If the disk cannot write something, the kernel reports that to each descriptor that was open then. It
 * reports it to a descriptor that is opened later only if nobody has been told before. Source: lib/errseq.c,
 * errseq_sample
 */
export function openDisk({ host: { files } }: Context, images: string): number {
  return files.open(`${images}/${receiverName}`);
}

/**
 * Makes images of those ghosts of SEALED that are large and have few holes. The images lie in `arrived/` when
 * this returns, and all other ghosts are left as they are.
 * @param disk the descriptor that openDisk has opened
 */
export function shapeImages(
  context: Context,
  images: string,
  receiver: Receiver,
  sealed: readonly MoveSealGhost[],
  disk: number,
): void {
  let planned: ShapedGhost[] = [];
  for (const [index, ghost] of sealed.entries()) {
    const shaped = planShape(context, images, ghost);
    if (shaped) planned.push(shaped);
    // The work is done in parts, because the ranges of all ghosts at once could take more memory than there
    // is.
    const isDue = planned.length === atOnce || index === sealed.length - 1;
    if (!isDue || planned.length === 0) continue;
    shapeThese(context, images, receiver, planned, disk);
    planned = [];
  }
}

function shapeThese(
  context: Context,
  images: string,
  receiver: Receiver,
  ghosts: ShapedGhost[],
  disk: number,
): void {
  const { files, moving } = context.host;
  receiver.shaping = { isTailed: false, ghosts };
  writeReceiver(files, images, receiver);
  const tailed = ghosts.filter(ghost =>
    onContent(context, images, ghost, fd => moving.store.shapeTail(fd, toShape(ghost))),
  );
  syncAll(context, images, tailed, disk);
  receiver.shaping = { isTailed: true, ghosts: tailed };
  writeReceiver(files, images, receiver);
  finishShaping(context, images, receiver, disk);
}

/** Finishes what receiver.json says was begun, also after an interruption. It can be repeated. */
export function finishShaping(context: Context, images: string, receiver: Receiver, disk: number): void {
  const { files, moving } = context.host;
  const { isTailed, ghosts } = receiver.shaping ?? { isTailed: false, ghosts: [] };
  const moved = ({ key }: ShapedGhost) => `${images}/${movedName(key)}`;
  const shaped = ({ image }: ShapedGhost) => `${images}/${arrivedFolder}/${image}`;
  // A file that has both names was complete when it got its new one, so only the earlier name is removed.
  for (const ghost of ghosts)
    if (isTailed && areOneFile(context, moved(ghost), shaped(ghost))) files.remove(moved(ghost));
  const there = ghosts.filter(ghost => files.exists(moved(ghost)));
  for (const ghost of there)
    onContent(context, images, ghost, fd => {
      if (isTailed) moving.store.shapeHeads(fd, toShape(ghost));
      else moving.store.cut(fd, BigInt(ghost.size));
    });
  syncAll(context, images, there, disk);
  if (isTailed) for (const ghost of there) files.rename(moved(ghost), shaped(ghost));
  if (isTailed && ghosts.length > 0) files.syncFolder(`${images}/${arrivedFolder}`);
  if (isTailed) for (const { key } of ghosts) files.remove(`${images}/${movedTableName(key)}`);
  files.syncFolder(`${images}/${folder}`);
  delete receiver.shaping;
  writeReceiver(files, images, receiver);
}

function syncAll(context: Context, images: string, ghosts: readonly ShapedGhost[], disk: number): void {
  const { store } = context.host.moving;
  if (ghosts.length >= wholeFrom) store.syncDisk(disk);
  else for (const ghost of ghosts) onContent(context, images, ghost, fd => store.sync(fd));
}

/** @returns undefined if the ghost is to be copied instead, or if its image is there already */
function planShape(
  { host: { files, moving } }: Context,
  images: string,
  { key, image, header }: MoveSealGhost,
): ShapedGhost | undefined {
  const [data, table] = [`${images}/${movedName(key)}`, `${images}/${movedTableName(key)}`];
  if (!files.exists(data) || !files.exists(table)) return undefined;
  const { size, allocated } = files.statPath(data);
  if (size < leastBytes || size > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  // The allocated bytes are compared first, because reading the table of a sparse ghost of many TiB takes
  // minutes, and processes may be frozen.
  if (allocated + size / mostHoles < size) return undefined;
  const tableFd = files.open(table);
  try {
    const found = moving.store.runs(tableFd, size, mostRuns);
    if (!found || found.bytes + size / mostHoles < size) return undefined;
    return { key, image, header, size: Number(size), runs: found.runs.map(([from, to]) => [from, to]) };
  } finally {
    files.close(tableFd);
  }
}

function onContent<T>(
  { host: { files } }: Context,
  images: string,
  { key }: ShapedGhost,
  act: (fd: number) => T,
): T {
  const fd = files.openWritable(`${images}/${movedName(key)}`);
  try {
    return act(fd);
  } finally {
    files.close(fd);
  }
}

function toShape({ size, header, runs }: ShapedGhost) {
  return { size: BigInt(size), header: bytesFromBase64(header), runs };
}

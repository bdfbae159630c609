/**
 * Sends the other files of a checkpoint: CRIU's own, and the manifest. The receiver then makes the images of
 * the ghosts that it has, and checks everything; then its directory is a checkpoint. All of this can be
 * repeated until it has succeeded.
 */
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, translate } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import { counted } from '../../base/text/counted.js';
import { countFromJson, showBytes } from '../../base/units.js';
import { folder, manifestName } from '../../image/layout.js';
import { readSealedManifest, writeManifest } from '../../image/manifest.js';
import type { Context } from '../context.js';
import { asOwner } from '../directory/owner.js';
import type { Connection } from './connection.js';
import { Mover, patienceMs } from './mover.js';
import { removeTables } from './tables.js';
import type { Target } from './target.js';

/**
 * How long `ghostkeep send-images` tries to connect again after a connection was lost. It runs after the
 * checkpoint, so no frozen process waits for it.
 */
const resumeMs = 60_000;

export interface SentImages {
  /** The real path of the directory on this host. */
  images: string;
  to: string;
  files: number;
  bytes: bigint;
  ghosts: number;
}

/**
 * @param images a sealed directory whose ghosts were sent to the same receiver
 * @throws BAD_INPUT where the ghosts are in the directory; MANIFEST_MISSING, MOVE_LOST, MOVE_REFUSED
 */
export async function sendImages(context: Context, images: string, target: Target): Promise<SentImages> {
  return asOwner(context, images, owned => sendOwned(context, owned, target), { waitMs: 5000 });
}

/**
 * Does the same for a caller that owns the directory.
 * @param mover may have a connection that has carried the ghosts, which is then used for the files if
 * possible
 */
export async function sendOwned(
  context: Context,
  images: string,
  target: Target,
  mover = new Mover(context, target, 'images', { resumeMs, patienceMs }),
): Promise<SentImages> {
  const { files } = context.host;
  const where = files.realPath(images);
  const manifest = readMoved(context, images, where);
  const bytes = bytesOf(context, images, manifest);
  mover.becomeForImages();
  let sent = { files: 0, bytes: 0n };
  let mayBeSealed = manifest.moved?.complete === true && isSame(manifest.moved.to, target.shown);
  try {
    await mover.withConnection(async connection => {
      assertReceiver(connection, manifest, target, where);
      const allow = (some: bigint) => mover.allowFor(connection, some);
      sent = await sendFiles(context, connection, images, allow);
      await sendManifest(context, connection, images, manifest, allow);
      allow(bytes);
      mayBeSealed = true;
      await connection.seal(ghostsOf(manifest), manifest.moved?.gone ?? [], manifest.moved?.dump);
    });
    await mover.end();
  } catch (error) {
    // The receiver has sealed already, in an earlier try, and we know that it has sealed what we have sent.
    if (!mayBeSealed || !(error instanceof GhostkeepError) || error.cause !== 'ALREADY_SEALED') throw error;
  } finally {
    await mover.close();
  }
  if (manifest.moved) {
    const moved = { ...manifest.moved, to: target.shown, complete: true };
    writeManifest(files, images, { ...manifest, moved }, { durable: true });
    removeTables(context, manifest.moved.receiver);
  }
  context.log.info(
    `sent ${counted(sent.files, 'file')} of ${where} to ${target.shown}: ${showBytes(sent.bytes)}`,
  );
  return { images: where, to: target.shown, ghosts: manifest.ghosts.length, ...sent };
}

function bytesOf({ host: { files } }: Context, images: string, { ghosts }: Manifest): bigint {
  const sizes = files.list(images).map(name => files.statPath(`${images}/${name}`).size);
  return [...sizes, ...ghosts.map(({ allocated }) => countFromJson(allocated))].reduce((a, b) => a + b, 0n);
}

/**
 * Compares two names of a target. The gate gets it from the policy's `moveTo`, where it begins with `via:` or
 * `tls:`, and `send-images` gets it without that.
 */
function isSame(to: string, shown: string): boolean {
  const plain = (target: string) => target.replace(/^(via|tls):/, '');
  return plain(to) === plain(shown);
}

function readMoved({ host: { files } }: Context, images: string, where: string): Manifest {
  const manifest = readSealedManifest(files, images, { mayBeMoved: true });
  const [here] = manifest.ghosts.filter(ghost => !ghost.moved && !ghost.adopted);
  if (!here || manifest.ghosts.length === 0) return manifest;
  throw new GhostkeepError(
    'BAD_INPUT',
    where,
    `cannot send ${where}: its ghosts were not sent to another host, ${here.image} is here; copy the directory by any tool, for example rsync`,
  );
}

/** Asserts that this is the receiver that the ghosts were sent to, because no other can make their images. */
function assertReceiver(
  { receiver }: Connection,
  manifest: Manifest,
  { shown }: Target,
  where: string,
): void {
  const moved = manifest.moved;
  if (!moved || moved.receiver === receiver) return;
  throw new GhostkeepError(
    'MOVE_REFUSED',
    where,
    `cannot send ${where} to ${shown}: its ghosts were sent to ${moved.to}, and this is another receiver (${receiver}, not ${moved.receiver})`,
  );
}

/** @param allow is told before each file how large it is */
async function sendFiles(
  context: Context,
  connection: Connection,
  images: string,
  allow: (bytes: bigint) => void,
) {
  const { files } = context.host;
  const sent = { files: 0, bytes: 0n };
  const names = files.list(images);
  context.progress?.begin({ what: 'sending', item: 'file', items: names.length });
  for (const name of names) {
    context.progress?.did();
    const path = `${images}/${name}`;
    if (isOwnName(name)) continue;
    if (!isSendable(name) || !isRegular(files.statPath(path).mode)) {
      context.log.warn(`${name} is not sent: it is no file of a checkpoint`);
      continue;
    }
    const fd = files.open(path);
    try {
      const { size, mode } = files.stat(fd);
      allow(size);
      await connection.sendFile({ name, size: Number(size), mode: mode & 0o777 }, fd);
      sent.files += 1;
      sent.bytes += size;
    } catch (error) {
      // An error without an errno passes unchanged. If it is a lost connection, the mover connects again.
      throw errnoOf(error) === undefined ? error : translate(error, 'IO', path, `cannot send ${path}`);
    } finally {
      files.close(fd);
    }
  }
  return sent;
}

/**
 * True for files of ours that are not sent like the others: the receiver writes a log of its own, and the
 * manifest is sent last, in another form.
 */
const isOwnName = (name: string) => name === manifestName || name === 'ghostkeep.log' || name === folder;

/**
 * True for a name that a receiver takes. CRIU's `parent` has such a name but is a link, so it is not sent:
 * CRIU's page server makes one on the other host.
 */
const isSendable = (name: string) => /^(?!ghostkeep)[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(name);

/** Sends the manifest as it has to be beside the ghosts, without the fields that say that they were moved. */
async function sendManifest(
  context: Context,
  connection: Connection,
  images: string,
  manifest: Manifest,
  allow: (bytes: bigint) => void,
): Promise<void> {
  const { files } = context.host;
  const { moved: _, ...rest } = manifest;
  const ghosts = rest.ghosts.map(({ moved: __, ...ghost }) => ghost);
  const path = `${images}/${folder}-sent.json`;
  files.replace(path, Buffer.from(JSON.stringify({ ...rest, ghosts })), { durable: false });
  const fd = files.open(path);
  try {
    files.remove(path);
    const { size } = files.stat(fd);
    allow(size);
    await connection.sendFile({ name: manifestName, size: Number(size), mode: 0o600 }, fd);
  } finally {
    files.close(fd);
  }
}

const ghostsOf = (manifest: Manifest) =>
  manifest.ghosts.flatMap(({ image, moved }) =>
    moved ? [{ key: moved.key, image, header: moved.header }] : [],
  );

/**
 * Sends the other files of a checkpoint: CRIU's own, and the manifest. The receiver then makes the images of
 * the ghosts that it has, checks everything, and has a checkpoint. It can be repeated until that is so.
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

/** Nobody is frozen by now, or CRIU has ended: there is time to connect again. */
const resumeMs = 60_000;

export interface SentImages {
  /** The directory here. */
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
 * The same for the owner of the directory.
 * @param mover whose connection has carried the ghosts; it goes on if it can
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
  mover.becomeForImages(bytesOf(context, images, manifest));
  let sent = { files: 0, bytes: 0n };
  let mayBeSealed = manifest.moved?.complete === true && isSame(manifest.moved.to, target.shown);
  try {
    await mover.withConnection(async connection => {
      assertReceiver(connection, manifest, target, where);
      sent = await sendFiles(context, connection, images);
      await sendManifest(context, connection, images, manifest);
      mayBeSealed = true;
      await connection.seal(ghostsOf(manifest), manifest.moved?.gone ?? [], manifest.moved?.dump);
    });
    await mover.end();
  } catch (error) {
    // The receiver has sealed before, and we know that it was from what we have sent.
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

/** The gate's target has the form of the policy's `moveTo`: `via:COMMAND`, `tls:ADDRESS`. */
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

/** The ghosts are with one receiver, and their images can be made nowhere else. */
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

async function sendFiles(context: Context, connection: Connection, images: string) {
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
      await connection.sendFile({ name, size: Number(size), mode: mode & 0o777 }, fd);
      sent.files += 1;
      sent.bytes += size;
    } catch (error) {
      // A lost connection has no errno: the mover connects again.
      throw errnoOf(error) === undefined ? error : translate(error, 'IO', path, `cannot send ${path}`);
    } finally {
      files.close(fd);
    }
  }
  return sent;
}

/** The receiver writes a log of its own, and gets the manifest last. */
const isOwnName = (name: string) => name === manifestName || name === 'ghostkeep.log' || name === folder;

/** The names that a receiver takes. CRIU's `parent` is a link, and there its page server makes one. */
const isSendable = (name: string) => /^(?!ghostkeep)[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(name);

/** As it is to lie beside the ghosts. */
async function sendManifest(
  context: Context,
  connection: Connection,
  images: string,
  manifest: Manifest,
): Promise<void> {
  const { files } = context.host;
  const { moved: _, ...rest } = manifest;
  const ghosts = rest.ghosts.map(({ moved: __, ...ghost }) => ghost);
  const path = `${images}/${folder}-sent.json`;
  files.replace(path, Buffer.from(JSON.stringify({ ...rest, ghosts })), { durable: false });
  const fd = files.open(path);
  try {
    files.remove(path);
    await connection.sendFile({ name: manifestName, size: Number(files.stat(fd).size), mode: 0o600 }, fd);
  } finally {
    files.close(fd);
  }
}

const ghostsOf = (manifest: Manifest) =>
  manifest.ghosts.flatMap(({ image, moved }) =>
    moved ? [{ key: moved.key, image, header: moved.header }] : [],
  );

/**
 * Verifies an image directory: the manifest, every ghost image, and that CRIU's own files still match them.
 */

import { bounds } from '../../base/bounds.js';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { Damage, Verification } from '../../base/documents/generated/verification.js';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { showId } from '../../base/text/ghost-id.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { countFromJson, showDev, showTime } from '../../base/units.js';
import { isPacked } from '../../chain/packed.js';
import { stillExternal } from '../../criu/files-image.js';
import { decodeGhostHead, type GhostHead, headBytes } from '../../criu/ghost-file.js';
import { lostRemaps, remappedGhosts } from '../../criu/seal-plan.js';
import { countUnchecked } from '../../image/count-ghosts.js';
import { isOfThisCheckpoint } from '../../image/inventory.js';
import { isMoved, readManifest, whereMoved } from '../../image/manifest.js';
import { refusedAs, verifyImages } from '../../image/verify.js';
import { verifyLayers } from '../chain/verify-layers.js';
import { verifyLinkedNames } from '../choose/linked-names.js';
import { aliveWhenMoving, type Context, whenMoving } from '../context.js';
import { toExternal } from '../dump/describe.js';

export interface Verifying {
  fromDisk?: boolean;
  anyInventory?: boolean;
  chain?: boolean;
  /** Reads the manifest; the default is `readManifest`. */
  read?: (images: string) => Manifest;
}

/**
 * @param fromDisk see verifyImages; false before a restore, which does not wait for the disk. Then the names
 * of linked ghosts are not looked for either, because CRIU will open them
 * @param anyInventory skip the check that inventory.img is the one that the manifest knows
 * @param chain also read the parents of a packed directory, for what its own layers lack
 */
export async function verify(
  context: Context,
  images: string,
  { fromDisk = true, anyInventory = false, chain = false, read }: Verifying = {},
): Promise<Verification> {
  const { files } = context.host;
  const where = files.realPath(images);
  try {
    const manifest = read?.(images) ?? readManifest(files, images);
    const whole = manifest.ghosts.filter(ghost => !isPacked(ghost) && !isMoved(ghost));
    const { progress, alive } = context;
    const bytes = () => whole.reduce((sum, ghost) => sum + bytesToRead(ghost), 0n);
    progress?.begin({ what: 'checking', item: 'ghost', items: whole.length, bytes });
    const damage = await verifyImages(context.host, images, whole, {
      fromDisk,
      onProgress: reading => (reading === 'content' ? whenMoving(context) : aliveWhenMoving(context)),
      onGhost: () => {
        alive?.();
        progress?.did();
      },
    });
    const moved = whereMoved(manifest);
    if (moved !== undefined) damage.push({ code: 'MOVED', subject: where, message: `${where}: ${moved}` });
    const damaged = new Set(damage.map(({ subject }) => subject));
    const checkedLayers = await verifyLayers(context, { images, where, manifest }, chain);
    for (const found of checkedLayers.damage) damage.push(found);
    const layers = checkedLayers.layers.length > 0 ? { layers: checkedLayers.layers } : {};
    for (const ghost of whole)
      if (!damaged.has(ghost.image))
        for (const found of verifyHead(context, images, ghost)) damage.push(found);
    if (!anyInventory && !isOfThisCheckpoint(files, images, manifest)) damage.push(foreignInventory);
    if (fromDisk) for (const found of verifyLinkedNames(context.host, manifest)) damage.push(found);
    if (manifest.criu) for (const found of verifyCriu(context, images, manifest)) damage.push(found);
    const checked = countUnchecked(manifest) === 0 ? 'digest' : 'structure';
    return { images: where, ghosts: manifest.ghosts.length, checked, ...layers, damage };
  } catch (error) {
    const refused = refusedAs(where, error);
    if (!refused && !(error instanceof GhostkeepError)) throw error;
    const found = refused ?? toDamage(error as GhostkeepError);
    return { images: where, ghosts: 0, checked: 'structure', damage: [found] };
  }
}

/**
 * Bytes of an image that are read: all of it if it has a digest. Looking at its structure takes hardly any
 * time.
 */
function bytesToRead({ data }: ManifestGhost): bigint {
  return countFromJson(data?.digest === undefined ? 0 : data.imageBytes);
}

/** @param action begins the message. @throws the first damage, with its code */
export function assertUndamaged({ images, damage }: Verification, action: string): void {
  const [first] = damage;
  if (!first) return;
  const more = damage.length > 1 ? ` (and ${damage.length - 1} more)` : '';
  throw new GhostkeepError(
    first.code as GhostkeepError['code'],
    first.subject,
    `${action}: ${first.message}${more}; \`ghostkeep verify -D ${images}\` lists all`,
  );
}

const foreignInventory: Damage = {
  code: 'IMAGE_MISMATCH',
  subject: 'inventory.img',
  message:
    'inventory.img is not that of the checkpoint this manifest was made for: the images beside it are of another, or a tool has rewritten it (`ghostkeep materialize --accept-changed-inventory` checks all else and takes it)',
};

/**
 * Compares an image's head with the manifest. CRIU gives the file the metadata in the head, and no chunk's
 * checksum covers that.
 */
export function verifyHead({ host: { files } }: Context, images: string, ghost: ManifestGhost): Damage[] {
  const path = `${images}/${ghost.image}`;
  try {
    const head = decodeGhostHead(files.readStart(path, headBytes), files.statPath(path).size, ghost.image);
    const wrong = headDifferences(head, ghost);
    if (wrong.length === 0) return [];
    return [
      {
        code: 'IMAGE_MISMATCH',
        subject: ghost.image,
        message: `${ghost.image} is damaged: ${wrong.join(', ')} differ from the manifest`,
      },
    ];
  } catch (error) {
    return [{ code: 'IMAGE_INVALID', subject: ghost.image, message: reasonOf(error) }];
  }
}

/** @returns the fields of an image's head that are not as the manifest says */
export function headDifferences(head: GhostHead, ghost: ManifestGhost): string[] {
  const toMicroseconds = (time: string) => time.slice(0, -3);
  const pairs: [string, unknown, unknown][] = [
    ['uid', head.uid, ghost.uid],
    ['gid', head.gid, ghost.gid],
    ['mode', head.mode, ghost.mode],
    ['dev', showDev(head.dev), ghost.physicalDev],
    ['ino', head.ino, countFromJson(ghost.ino)],
    ['size', head.size, countFromJson(ghost.size)],
    ['atime', toMicroseconds(showTime(head.atimeNs)), toMicroseconds(ghost.atime)],
    ['mtime', toMicroseconds(showTime(head.mtimeNs)), toMicroseconds(ghost.mtime)],
  ];
  return pairs.filter(([, found, wanted]) => found !== wanted).map(([name]) => name);
}

function verifyCriu({ host: { files } }: Context, images: string, manifest: Manifest): Damage[] {
  const damage: Damage[] = [];
  try {
    const remaps = files.readIfThere(`${images}/remap-fpath.img`, bounds.remaps);
    const remapped = remappedGhosts(remaps);
    const listed = new Set(manifest.ghosts.map(({ id }) => id));
    for (const id of remapped) {
      const image = `ghost-file-${id.toString(16)}.img`;
      if (!listed.has(id) && !files.exists(`${images}/${image}`)) {
        damage.push({
          code: 'IMAGE_MISSING',
          subject: image,
          message: `${image} is missing: remap-fpath.img refers to it`,
        });
      }
    }
    const filesImage = files.read(`${images}/files.img`, bounds.files);
    for (const { id } of lostRemaps(filesImage, remaps, manifest.ghosts.map(toExternal))) {
      damage.push({
        code: 'IMAGE_MISMATCH',
        subject: 'remap-fpath.img',
        message: `remap-fpath.img lacks ghost ${showId(id)}, whose files are in files.img: they would be looked for by name`,
      });
    }
    const keys = manifest.ghosts.flatMap(({ paths }) => paths.map(({ key }) => key));
    const external = stillExternal(filesImage, keys);
    for (const ghost of manifest.ghosts) {
      for (const { key, ...place } of ghost.paths) {
        if (!external.has(key)) continue;
        damage.push({
          code: 'IMAGE_MISMATCH',
          subject: 'files.img',
          message: `files.img still has ${key} (${pathFromText(place).toString('utf8')}) as an external file: the dump is not sealed`,
        });
      }
    }
  } catch (error) {
    damage.push(
      error instanceof GhostkeepError
        ? toDamage(error)
        : (refusedAs(images, error) ?? {
            code: 'IMAGE_MISSING',
            subject: 'files.img',
            message: reasonOf(error),
          }),
    );
  }
  return damage;
}

function toDamage(error: GhostkeepError): Damage {
  return { code: error.code, subject: error.subject, message: error.message };
}

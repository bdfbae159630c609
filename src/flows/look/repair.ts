/**
 * Makes a lost or damaged manifest again from the images of a sealed checkpoint. CRIU needs no manifest, but
 * ghostkeep checks a checkpoint by it. If only the lost manifest had something that a restore needs, the
 * repair is refused, and nothing is touched.
 */
import { bounds } from '../../base/bounds.js';
import { assertDocument } from '../../base/documents/document.js';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import type { Files } from '../../base/host/host.js';
import { countToJson } from '../../base/units.js';
import { nameText, openFilesIn } from '../../criu/files-image.js';
import { readInventory } from '../../image/inventory.js';
import {
  childrenName,
  folder,
  isBaseName,
  isLayerName,
  isWholeName,
  manifestName,
  oldManifestName,
} from '../../image/layout.js';
import { readManifest, writeManifest } from '../../image/manifest.js';
import { showDigest, verifyImages } from '../../image/verify.js';
import { type Context, whenMoving } from '../context.js';
import { asOwner } from '../directory/owner.js';
import { warnOfRefused } from '../directory/warn-of-refused.js';
import { assertUndamaged } from '../restore/verify.js';
import { describeCriuAlone } from './criu-alone.js';

/** The facts that no image has and that are lost with a manifest, as text for messages. */
export const notInImages =
  'extended attributes, inode flags, nanoseconds of times, holders, and how the files were copied';

export interface Repaired {
  /** True if the manifest was made again. False if it was whole, and nothing was written. */
  now: boolean;
  /** The name that the damaged manifest has now. */
  keptAs?: string;
}

/**
 * Makes the manifest again if it is lost or damaged. The directory is locked meanwhile, and the manifest is
 * on the disk afterwards.
 * @throws REPAIR_REFUSED, IN_USE, CRIU_IMAGE_INVALID, and the code of the first image that is damaged
 */
export function repairManifest(context: Context, given: string): Promise<Repaired> {
  return asOwner(context, given, async images => {
    const { files } = context.host;
    if (isManifestWhole(files, images)) return { now: false };
    assertNothingLost(files, images);
    const manifest = await manifestOf(context, images);
    assertDocument<Manifest>('Manifest', manifest, manifestName, 'MANIFEST_INVALID');
    const keptAs = keepDamaged(files, images);
    writeManifest(files, images, manifest, { durable: true });
    warnOfRefused(context, images);
    return { now: true, ...(keptAs === undefined ? {} : { keptAs }) };
  });
}

function isManifestWhole(files: Files, images: string): boolean {
  try {
    readManifest(files, images);
    return true;
  } catch (error) {
    const isLost = error instanceof GhostkeepError && /^MANIFEST_(MISSING|INVALID)$/.test(error.code);
    if (!isLost) throw error;
    return false;
  }
}

function assertNothingLost(files: Files, images: string): void {
  const where = files.realPath(images);
  const why = whyRefused(files, images, where);
  if (why === undefined) return;
  throw new GhostkeepError(
    'REPAIR_REFUSED',
    where,
    `cannot make the manifest of ${where} again: ${why}; nothing was changed`,
  );
}

function whyRefused(files: Files, images: string, where: string): string | undefined {
  if (!files.exists(images)) return 'there is no such directory';
  const unsealed = `its dump was not sealed, and its journal or its copies are in ${folder}/ (\`ghostkeep seal -D ${where}\`)`;
  if (files.exists(`${images}/${oldManifestName}`))
    return `its dump is of the old layout, and its manifest is ${oldManifestName}`;
  const working = files.exists(`${images}/${folder}`) ? files.list(`${images}/${folder}`) : [];
  if (working.some(name => !isBaseName(`${folder}/${name}`))) return unsealed;
  const names = files.list(images);
  if (!names.includes('inventory.img'))
    return 'CRIU has finished no checkpoint in it (there is no inventory.img), and the names of files that `ghostkeep dump` copies are only in the manifest; each ghost-file-ID.img is whole by itself';
  const layer = names.find(name => isLayerName(name) || isWholeName(name));
  if (layer !== undefined)
    return `it is packed (${layer}), and only its manifest names its parent; take the manifest from another copy of it`;
  if (names.includes(childrenName))
    return `packed directories need it and know it by its manifest (${childrenName}); take the manifest from another copy of it`;
  const linked = names.find(name => /^ghostkeep-linked-/.test(name));
  if (linked !== undefined)
    return `${linked} is a file of several names, and these were only in the manifest; take the manifest from another copy of it`;
  const key = keyOfOurs(files.read(`${images}/files.img`, bounds.files));
  if (key !== undefined)
    return `files.img still has ${key} as an external file, as before a seal, and only the journal knew its ghost`;
  return undefined;
}

/**
 * Finds an open file that CRIU has left to us and that has still our key in place of its name: no seal has
 * given the name back.
 */
function keyOfOurs(filesImage: Buffer): string | undefined {
  for (const { reg } of openFilesIn(filesImage)) {
    const name = reg?.isExternal ? nameText(filesImage, reg) : '';
    if (/^file\[[0-9a-f]+:[0-9a-f]+\]$/.test(name)) return name;
  }
  return undefined;
}

/** Reads every image, and makes a manifest of what was read. @throws the first damage */
async function manifestOf(context: Context, images: string): Promise<Manifest> {
  const { files } = context.host;
  const described = describeCriuAlone(files, images, context.progress);
  const where = files.realPath(images);
  const damage = await verifyImages(context.host, images, described.ghosts, { fromDisk: true });
  assertUndamaged(
    { images: where, ghosts: described.ghosts.length, checked: 'structure', damage },
    `cannot make the manifest of ${where} again, and nothing was changed`,
  );
  const ghosts: ManifestGhost[] = [];
  for (const ghost of described.ghosts) ghosts.push({ ...ghost, data: await dataOf(context, images, ghost) });
  const inventory = readInventory(files, images)?.content;
  return { ...described, tool: context.tool, ...(inventory ? { inventory } : {}), ghosts };
}

/** Makes the entry's `data`, with a digest, so that a byte that changes from now on is found. */
async function dataOf(
  context: Context,
  images: string,
  { image }: ManifestGhost,
): Promise<NonNullable<ManifestGhost['data']>> {
  const { files, engine } = context.host;
  const fd = files.open(`${images}/${image}`);
  try {
    const report = await engine.check(fd, whenMoving(context));
    const { crc32c } = await engine.digest(fd, whenMoving(context));
    return {
      bytes: countToJson(report.dataBytes),
      chunks: countToJson(report.chunks),
      unwritten: 0,
      imageBytes: countToJson(files.stat(fd).size),
      engine: 'auto',
      fallbacks: 0,
      ways: [],
      why: 'the manifest was lost, and `verify --repair` made it again from the images',
      digest: showDigest(crc32c),
    };
  } finally {
    files.close(fd);
  }
}

/**
 * Gives a damaged manifest another name and removes nothing: somebody may still read in it what the images do
 * not have.
 */
function keepDamaged(files: Files, images: string): string | undefined {
  if (!files.exists(`${images}/${manifestName}`)) return undefined;
  for (let number = 1; ; number += 1) {
    const name = `${manifestName}.damaged${number === 1 ? '' : `-${number}`}`;
    if (files.exists(`${images}/${name}`)) continue;
    files.renameNew(`${images}/${manifestName}`, `${images}/${name}`);
    return name;
  }
}

/**
 * Checks that a seal fits what its sender has committed, and the manifest. This comes before the first image
 * is made: an image may be made where the content lies, and then only the image is left, with its head.
 */
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError, reasonOf } from '../../base/errors.js';
import { bytesFromBase64 } from '../../base/text/base64.js';
import { pathFromText } from '../../base/text/path-bytes.js';
import { parseDev } from '../../base/units.js';
import { decodeGhostHead, encodeGhostHead } from '../../criu/ghost-file.js';
import { arrivedFolder, movedName } from '../../image/layout.js';
import type { MoveSealGhost } from '../../move/messages.js';
import type { Sealing } from '../../move/reader.js';
import type { Context } from '../context.js';
import { headDifferences } from '../restore/verify.js';

const longestPath = 4096;

/** @throws MANIFEST_INVALID */
export function assertWhole({ state, ghosts }: Manifest, where: string): void {
  const packed = ghosts.find(ghost => ghost.layer !== undefined);
  const problem = packed
    ? 'is of a packed dump'
    : state === 'sealed'
      ? (twiceIn(ghosts) ?? oddPathIn(ghosts))
      : 'is not of a sealed dump';
  if (problem === undefined) return;
  throw new GhostkeepError(
    'MANIFEST_INVALID',
    where,
    `cannot seal ${where}: the manifest that arrived ${problem}`,
  );
}

/** CRIU finds a ghost by its id, and `restore --ghost` does. So an id that two ghosts have names neither. */
function twiceIn(ghosts: readonly ManifestGhost[]): string | undefined {
  for (const field of ['id', 'image'] as const) {
    const seen = new Set<number | string>();
    for (const ghost of ghosts) {
      if (seen.has(ghost[field])) return `has two ghosts with the ${field} ${ghost[field]}`;
      seen.add(ghost[field]);
    }
  }
  return undefined;
}

/** The kernel shows no path that is so long, or that has a part `.` or `..`. Source: limits.h, PATH_MAX */
function oddPathIn(ghosts: readonly ManifestGhost[]): string | undefined {
  for (const ghost of ghosts)
    for (const text of [ghost, ...ghost.paths]) {
      const path = pathFromText(text).toString('latin1');
      if (path.length < longestPath && !/(^|\/)\.\.?(\/|$)/.test(path)) continue;
      return `has a path for ${ghost.image} that no kernel shows (${JSON.stringify(path.slice(0, 100))})`;
    }
  return undefined;
}

/**
 * Asserts that each ghost that was committed is in the manifest or said to be gone by the sender, and that
 * each ghost of the manifest was committed or dumped by CRIU. @throws BAD_INPUT
 */
export function assertFits(
  context: Context,
  images: string,
  { ghosts, gone }: Sealing,
  { complete, manifest }: { complete: readonly string[]; manifest: Manifest },
): void {
  const named = new Map(manifest.ghosts.map(ghost => [ghost.image, ghost]));
  const waiting = new Set(complete);
  for (const ghost of ghosts) {
    if (!waiting.delete(ghost.key)) throw wrong(ghost.key, 'it was not committed by a dump');
    const entry = named.get(ghost.image);
    if (!entry) throw wrong(ghost.key, `the manifest does not name ${ghost.image}`);
    named.delete(ghost.image);
    assertHead(context, images, ghost, entry);
  }
  for (const key of gone)
    if (!waiting.delete(key)) throw wrong(key, 'it is said to be gone, and was not committed by a dump');
  for (const key of waiting)
    throw wrong(key, 'it was committed by the dump, and the manifest that arrived does not name it');
  for (const [image, { adopted }] of named) {
    if (adopted && context.host.files.exists(`${images}/${arrivedFolder}/${image}`)) continue;
    throw new GhostkeepError(
      'IMAGE_MISSING',
      image,
      `cannot seal ${image}: the manifest names it, and neither a ghost nor a file has come for it`,
    );
  }
}

/**
 * Asserts that the head of the ghost's image fits the manifest: a restore gives the ghost the metadata in
 * that head. @throws BAD_INPUT
 */
function assertHead(
  { host: { files } }: Context,
  images: string,
  { key, image, header: text }: MoveSealGhost,
  entry: ManifestGhost,
): void {
  const [dev, ino] = key.split('-').map(part => BigInt(`0x${part}`));
  if (parseDev(entry.dev) !== dev || BigInt(entry.ino) !== ino)
    throw wrong(key, `${image} is another ghost in the manifest (${entry.dev}/${entry.ino})`);
  const path = `${images}/${movedName(key)}`;
  // Without its content, the ghost has an image that an earlier seal has made. Then describeMade in seal.ts
  // compares the head.
  if (!files.exists(path)) return;
  const { size } = files.statPath(path);
  const header = bytesFromBase64(text);
  const head = decodeHead(header, size, key, image);
  if (head.size !== size)
    throw wrong(key, `its head is for ${head.size} bytes, and the receiver has ${size}`);
  const differing = headDifferences(head, entry);
  if (differing.length > 0)
    throw wrong(key, `in its head ${differing.join(', ')} differ from what the manifest says`);
  // Only a head that ghostkeep writes is accepted. A field that nobody knows, or chunks where the content has
  // none, would otherwise be noticed only when the image is made.
  if (!header.equals(encodeGhostHead(head))) throw wrong(key, 'its head is none that ghostkeep writes');
}

function decodeHead(header: Buffer, size: bigint, key: string, image: string) {
  try {
    return decodeGhostHead(header, BigInt(header.length) + size, image);
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    throw wrong(key, `its head cannot be read: ${reasonOf(error)}`);
  }
}

function wrong(key: string, problem: string): GhostkeepError {
  return new GhostkeepError('BAD_INPUT', key, `cannot seal ghost ${key}: ${problem}`);
}

/**
 * Makes the text of a manifest, for some ghosts at a time. If it made one text and copied that into bytes,
 * the largest manifest would take four times its size in memory.
 */
import { countValues } from '../base/documents/count-values.js';
import type { Manifest, ManifestGhost } from '../base/documents/generated/manifest.js';
import { collectAfter } from '../base/memory.js';

/** Texts that were made before they are needed, by the entry. */
const texts = new WeakMap<ManifestGhost, Buffer>();

export const hasText = (ghost: ManifestGhost) => texts.has(ghost);

/** Keeps the texts of GHOSTS, which can then not be changed any more. */
export function makeTexts(ghosts: readonly ManifestGhost[]): void {
  for (const ghost of ghosts) texts.set(Object.freeze(ghost) as ManifestGhost, Buffer.from(textOf([ghost])));
}

const ghostsAtOnce = 256;
const beforeGhosts = '\n "ghosts": [';
const afterGhosts = '\n ]\n}';

/** @returns undefined where the text would have more than the bytes or values that MOST allows */
export function encodeManifest(
  manifest: Manifest,
  most: { bytes: number; values: number },
): Buffer | undefined {
  const pieces: Buffer[] = [];
  let length = 0;
  for (const text of textsOf(manifest)) {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    length += bytes.length;
    if (length > most.bytes) return undefined;
    pieces.push(bytes);
    collectAfter(bytes.length);
  }
  return hasFewValues(pieces, length, most.values) ? Buffer.concat(pieces) : undefined;
}

/**
 * In an indented text each comma and each bracket has another character behind it, so a short text cannot
 * have too many values. Only a long text is read to count them, because that takes as long as making it.
 */
function hasFewValues(pieces: readonly Buffer[], length: number, most: number): boolean {
  if (length / 2 + pieces.length <= most) return true;
  let values = 0;
  for (const piece of pieces) {
    values += countValues(piece.toString('latin1'));
    collectAfter(piece.length);
  }
  return values <= most;
}

/** As `JSON.stringify(manifest, null, 1)` and a line break, in pieces. */
function* textsOf(manifest: Manifest): Generator<string | Buffer> {
  const { ghosts } = manifest;
  const around = `${JSON.stringify({ ...manifest, ghosts: [] }, null, 1)}\n`;
  if (ghosts.length === 0) {
    yield around;
    return;
  }
  // In a value a line break is escaped, so this text can only be the manifest's own key.
  const at = around.indexOf(beforeGhosts) + beforeGhosts.length;
  yield around.slice(0, at);
  for (let first = 0; first < ghosts.length; first += ghostsAtOnce) {
    if (first > 0) yield ',';
    yield textOfSome(ghosts.slice(first, first + ghostsAtOnce));
  }
  yield `\n ${around.slice(at)}`;
}

function textOfSome(ghosts: readonly ManifestGhost[]): string | Buffer {
  if (!ghosts.some(hasText)) return textOf(ghosts);
  const pieces = ghosts.flatMap(ghost => [comma, texts.get(ghost) ?? Buffer.from(textOf([ghost]))]);
  return Buffer.concat(pieces.slice(1));
}

const comma = Buffer.from(',');

function textOf(ghosts: readonly ManifestGhost[]): string {
  return JSON.stringify({ ghosts }, null, 1).slice(1 + beforeGhosts.length, -afterGhosts.length);
}

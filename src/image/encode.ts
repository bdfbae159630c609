/**
 * The text of a manifest. It is made some ghosts at a time: as one text, which is then copied into bytes, the
 * largest manifest takes four times its size in memory.
 */
import { countValues } from '../base/documents/count-values.js';
import type { Manifest } from '../base/documents/generated/manifest.js';
import { collectAfter } from '../base/memory.js';

const ghostsAtOnce = 256;
const emptyGhosts = '\n "ghosts": [';

/** @returns undefined where it would have more than the bytes or values that MOST allows */
export function encodeManifest(
  manifest: Manifest,
  most: { bytes: number; values: number },
): Buffer | undefined {
  const pieces: Buffer[] = [];
  const room = { ...most };
  for (const text of textsOf(manifest)) {
    const bytes = Buffer.from(text);
    room.bytes -= bytes.length;
    room.values -= countValues(text);
    if (room.bytes < 0 || room.values < 0) return undefined;
    pieces.push(bytes);
    collectAfter(bytes.length);
  }
  return Buffer.concat(pieces);
}

/** As `JSON.stringify(manifest, null, 1)` and a line break, in pieces. */
function* textsOf(manifest: Manifest): Generator<string> {
  const { ghosts } = manifest;
  const around = `${JSON.stringify({ ...manifest, ghosts: [] }, null, 1)}\n`;
  if (ghosts.length === 0) {
    yield around;
    return;
  }
  // A line break in a value is escaped, so this is the manifest's own key.
  const at = around.indexOf(emptyGhosts) + emptyGhosts.length;
  yield around.slice(0, at);
  for (let first = 0; first < ghosts.length; first += ghostsAtOnce) {
    const some = JSON.stringify(ghosts.slice(first, first + ghostsAtOnce), null, 1);
    yield `${first === 0 ? '' : ','}${some.slice(1, -2).replaceAll('\n', '\n ')}`;
  }
  yield `\n ${around.slice(at)}`;
}

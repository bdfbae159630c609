/**
 * The room that the manifest has for named files. A manifest that grows too large fails the dump
 * (bounds.ts), and no dump may fail for such a file. Its container chooses how long its paths and attributes
 * are.
 */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { Context } from '../context.js';
import { warnOfLeft } from './pin-named.js';

/**
 * Bytes of JSON for all of them together: 3 KiB for each of the most that one dump copies. The ghosts need
 * the rest.
 */
const mostBytes = 12 << 20;

export class EntryRoom {
  #left = mostBytes;

  constructor(private readonly context: Pick<Context, 'log'>) {}

  /** @returns false for a named file without room, which a warning names; a ghost always has room */
  hasFor(entry: ManifestGhost): boolean {
    if (entry.class !== 'named') return true;
    const bytes = Buffer.byteLength(JSON.stringify(entry));
    if (bytes <= this.#left) {
      this.#left -= bytes;
      return true;
    }
    warnOfLeft(this.context, entry.path, 'the manifest has no room for its names and attributes');
    return false;
  }
}

/**
 * The room that the manifest has for named files. A manifest that grows too large fails the dump
 * (bounds.ts), and its error would not name the file whose paths and attributes are too long.
 */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { Context } from '../context.js';
import { type DumpOf, refuseUnkept, unkeptEntry } from './shared-shm.js';

/**
 * Bytes of JSON for all named files together. If a dump copies as many as it may (mostNamed in pin-named.ts),
 * that is 3 KiB for each. The ghosts need the rest of the manifest.
 */
const mostBytes = 12 << 20;

export class EntryRoom {
  #left = mostBytes;

  constructor(
    private readonly context: Context,
    private readonly dump: DumpOf,
  ) {}

  /**
   * A ghost always has room.
   * @returns false for a named file without room that the dump may lack
   * @throws SHM_NOT_KEPT if the dump may not lack the file
   */
  hasFor(entry: ManifestGhost): boolean {
    if (entry.class !== 'named') return true;
    const bytes = Buffer.byteLength(JSON.stringify(entry));
    if (bytes <= this.#left) {
      this.#left -= bytes;
      return true;
    }
    const why = new Error('the manifest has no room for its names and attributes');
    refuseUnkept(this.context, this.dump, unkeptEntry(entry), why);
    return false;
  }
}

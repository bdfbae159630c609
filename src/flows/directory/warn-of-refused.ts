import type { Context } from '../context.js';

/**
 * Warns of operations that the file system of IMAGES has refused and that the dump does without. A refused
 * fsync(2) does not mean that a write was lost (another error would report that), but the data may not be on
 * disk.
 */
export function warnOfRefused({ host: { files }, log }: Context, images: string): void {
  const refused = files.takeRefused();
  if (refused.length === 0) return;
  const costs = [
    refused.some(what => !what.startsWith('fsync')) &&
      "whoever may read CRIU's files may not be able to read those that ghostkeep has written",
    refused.some(what => what.startsWith('fsync')) &&
      'only its server knows whether what it has taken would outlast a power failure',
  ].filter(Boolean);
  log.warn(
    `the file system of ${files.realPath(images)} refuses ${refused.join(', ')}: all is written, but ${costs.join(', and ')}`,
  );
}

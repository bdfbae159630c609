import type { Context } from '../context.js';

/**
 * Say what the file system of IMAGES has refused and the dump does without. That fsync(2) is refused is no
 * lost write, which is told by another error, and no promise either.
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

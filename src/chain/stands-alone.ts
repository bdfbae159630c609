import type { Manifest } from '../base/documents/generated/manifest.js';
import { GhostkeepError } from '../base/errors.js';
import { assertNothingGiven } from './given.js';
import { packedGhosts } from './packed.js';

export const standsAlone = (manifest: Manifest) => packedGhosts(manifest).length === 0;

/**
 * @param action begins the message: `cannot restore from /images`
 * @param where the directory
 * @throws PACKED, GIVEN_UP
 */
export function assertStandsAlone(manifest: Manifest, action: string, where: string): void {
  const { length } = packedGhosts(manifest);
  if (length === 0) return;
  assertNothingGiven(manifest, action, where);
  throw new GhostkeepError(
    'PACKED',
    where,
    `${action}: ${length} of its ghosts are packed, and lie in part in ${manifest.parent?.path ?? 'a parent'}; run \`ghostkeep materialize -D ${where}\` first`,
  );
}

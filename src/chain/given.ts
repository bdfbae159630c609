/** A packed directory that has given something up says to which directory. It is no checkpoint any more. */
import path from 'node:path';
import type { Manifest } from '../base/documents/generated/manifest.js';
import { GhostkeepError } from '../base/errors.js';
import { showSome } from '../base/text/show-some.js';
import { type PackedGhost, packedGhosts } from './packed.js';

export const hasGiven = ({ layer: { given, moved } }: PackedGhost) =>
  given !== undefined || moved !== undefined;

/**
 * @param where the directory of the layer
 * @returns absolute paths of the directories that took something over, the last one first
 */
export function takersOf({ layer: { given, moved } }: PackedGhost, where: string): string[] {
  const paths = [...(moved ? [moved.path] : []), ...(given?.to ?? []).map(taker => taker.path).reverse()];
  return [...new Set(paths.map(each => path.resolve(where, each)))];
}

/** @param action begins the message: `cannot pack /images`. @throws GIVEN_UP */
export function assertNothingGiven(manifest: Manifest, action: string, where: string): void {
  const ghosts = packedGhosts(manifest).filter(hasGiven);
  if (ghosts.length === 0) return;
  const error = givenUp(
    where,
    `${action}: ${ghosts.length} of its ghosts`,
    ghosts.flatMap(ghost => takersOf(ghost, where)),
  );
  if (ghosts.some(({ layer }) => layer.moved))
    error.message += '; if moving them was interrupted, repeat that command with --auto-dedup';
  throw error;
}

/** @param whose begins the message, up to the thing that has given something up */
export function givenUp(
  where: string,
  whose: string,
  takers: readonly string[],
  cause?: unknown,
): GhostkeepError {
  return new GhostkeepError(
    'GIVEN_UP',
    where,
    `${whose} gave up bytes to ${showSome([...new Set(takers)])}`,
    {
      cause,
    },
  );
}

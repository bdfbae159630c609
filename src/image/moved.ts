/** A directory whose ghosts were sent to another host has CRIU's files and a manifest, and no content. */
import type { Manifest, ManifestGhost, MovedGhost } from '../base/documents/generated/manifest.js';
import { GhostkeepError } from '../base/errors.js';
import { counted } from '../base/text/counted.js';

export const isMoved = (ghost: ManifestGhost): ghost is ManifestGhost & { moved: MovedGhost } =>
  ghost.moved !== undefined;

/** @returns a sentence without a full stop; undefined where the content is here */
export function whereMoved(manifest: Manifest): string | undefined {
  const { length } = manifest.ghosts.filter(isMoved);
  if (length === 0) return undefined;
  const { to = 'another host', complete = false } = manifest.moved ?? {};
  const rest = complete ? '' : "; CRIU's files are still to be sent (`ghostkeep send-images`)";
  return `the content of ${counted(length, 'ghost')} was sent to ${to} and is not here${rest}`;
}

/** @param action begins the message: `cannot restore from /images`. @throws MOVED */
export function assertHere(manifest: Manifest, action: string, where: string): void {
  const moved = whereMoved(manifest);
  if (moved !== undefined) throw new GhostkeepError('MOVED', where, `${action}: ${moved}`);
}

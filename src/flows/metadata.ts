import type { ManifestGhost } from '../base/documents/generated/manifest.js';
import { errnoOf } from '../base/errors.js';
import type { Host } from '../base/host.js';
import { nameToText } from '../base/name-text.js';
import { xattrsOf } from '../image/decode.js';

export type MetadataPart = 'owner' | 'xattrs' | 'mode' | 'times' | 'flags';

/**
 * Owner before mode (chown clears setuid bits), times after what touches them, flags last: an immutable file takes no
 * more, not even another name, so a linked ghost gets none.
 */
const all: readonly MetadataPart[] = ['owner', 'xattrs', 'mode', 'times', 'flags'];

/** A linked ghost is made on the host, and the image may be anybody's: nothing that gives rights comes from there. */
const withheld = 'never of a linked ghost';
const privileged = ['security.', 'trusted.'].map(prefix => Buffer.from(prefix));
const setId = 0o6000;

/**
 * Give a file what the manifest knows of its ghost.
 * @returns what could not be set, as `owner (EPERM)`: without privilege that is no failure, but it is said
 */
export function applyMetadata(
  { files, engine }: Pick<Host, 'files' | 'engine'>,
  fd: number,
  ghost: ManifestGhost,
  parts: readonly MetadataPart[] = all,
): string[] {
  const missing: string[] = [];
  const attempt = (what: string, apply: () => void) => {
    try {
      apply();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      missing.push(`${what} (${errno})`);
    }
  };
  // In a linked group's folder on the host, ids are the host's.
  const [uid, gid] = ghost.linked ? [ghost.linked.hostUid, ghost.linked.hostGid] : [ghost.uid, ghost.gid];
  if (parts.includes('owner')) attempt('owner', () => files.setOwner(fd, uid, gid));
  if (parts.includes('xattrs')) {
    for (const { name, value } of xattrsOf(ghost)) {
      const shown = nameToText(name);
      if (ghost.linked && isPrivileged(name)) missing.push(`${shown} (${withheld})`);
      else attempt(shown, () => engine.setXattr(fd, name, value));
    }
  }
  if (parts.includes('mode')) {
    const mode = ghost.mode & 0o7777;
    attempt('mode', () => files.setMode(fd, ghost.linked ? mode & ~setId : mode));
    if (ghost.linked && mode & setId) missing.push(`set-id bits (${withheld})`);
  }
  if (parts.includes('times')) attempt('times', () => engine.setTimes(fd, ghost.atime, ghost.mtime));
  const { inodeFlags } = ghost;
  if (parts.includes('flags') && inodeFlags && !ghost.linked)
    attempt('flags', () => engine.setFlags(fd, inodeFlags));
  return missing;
}

/** By its bytes: those are what the kernel is given. */
function isPrivileged(name: Buffer): boolean {
  return privileged.some(prefix => name.subarray(0, prefix.length).equals(prefix));
}

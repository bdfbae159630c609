import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import { nameToText } from '../../base/text/name-text.js';
import { xattrsOf } from '../../image/decode.js';

export type MetadataPart = 'owner' | 'xattrs' | 'mode' | 'times' | 'flags';

/**
 * The order in which metadata is set. The owner comes before the mode, because chown clears setuid bits;
 * times come after everything that changes them. Flags come last, because an immutable file accepts no
 * change. Such a file cannot even get another name. A linked ghost may need several names, so it gets no
 * flags.
 */
const all: readonly MetadataPart[] = ['owner', 'xattrs', 'mode', 'times', 'flags'];

/**
 * A linked ghost is made on the host, and anybody may have written the image, so we set nothing from it that
 * gives rights.
 */
const never = 'never of a linked ghost';
const privileged = ['security.', 'trusted.'].map(prefix => Buffer.from(prefix));
/** This label gives its file no rights; it only restricts others. */
const label = Buffer.from('security.selinux');
const setId = 0o6000;

export interface MetadataRequest {
  parts?: readonly MetadataPart[];
  /**
   * The user who runs us vouches for the image, so we also set set-id bits, capabilities and other xattrs
   * that the kernel acts on.
   */
  allowPrivileged: boolean;
}

export interface Applied {
  /**
   * The metadata that the file did not get, each with the reason, for example `owner (EPERM)`. This never
   * makes the restore fail. The caller reports it.
   */
  missing: string[];
  /** Metadata that we did not try to set because `allowPrivileged` was not given. */
  withheld: string[];
}

/** Gives a file the metadata that the manifest has of its ghost. */
export function applyMetadata(
  { files, engine }: Pick<Host, 'files' | 'engine'>,
  fd: number,
  ghost: ManifestGhost,
  { parts = all, allowPrivileged }: MetadataRequest,
): Applied {
  const [missing, withheld]: [string[], string[]] = [[], []];
  const attempt = (what: string, apply: () => void): boolean => {
    try {
      apply();
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      missing.push(`${what} (${errno})`);
      return false;
    }
  };
  // A linked ghost lies in a folder of the host, so its ids are the host's.
  const [uid, gid] = ghost.linked ? [ghost.linked.hostUid, ghost.linked.hostGid] : [ghost.uid, ghost.gid];
  const isOwned = !parts.includes('owner') || attempt('owner', () => files.setOwner(fd, uid, gid));
  /**
   * If the owner could not be set, the file belongs to somebody else, who must not get the rights of the
   * ghost's owner.
   */
  const mayGive = (what: string): boolean => {
    if (ghost.linked) missing.push(`${what} (${never})`);
    else if (!allowPrivileged) withheld.push(what);
    else if (!isOwned) missing.push(`${what} (without its owner)`);
    else return true;
    return false;
  };
  if (parts.includes('xattrs')) {
    for (const { name, value } of xattrsOf(ghost)) {
      const shown = nameToText(name);
      if (!isPrivileged(name, ghost) || mayGive(shown))
        attempt(shown, () => engine.setXattr(fd, name, value));
    }
  }
  if (parts.includes('mode')) {
    const mode = ghost.mode & 0o7777;
    const given = (mode & setId) === 0 || mayGive('set-id bits') ? mode : mode & ~setId;
    attempt('mode', () => files.setMode(fd, given));
  }
  if (parts.includes('times')) attempt('times', () => engine.setTimes(fd, ghost.atime, ghost.mtime));
  const { inodeFlags } = ghost;
  if (parts.includes('flags') && inodeFlags && !ghost.linked)
    attempt('flags', () => engine.setFlags(fd, inodeFlags));
  return { missing, withheld };
}

/** Compares bytes, because the kernel gets the name as bytes. */
function isPrivileged(name: Buffer, { linked }: ManifestGhost): boolean {
  if (!linked && name.equals(label)) return false;
  return privileged.some(prefix => name.subarray(0, prefix.length).equals(prefix));
}

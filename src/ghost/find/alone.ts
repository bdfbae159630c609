/** What a dump without CRIU does with a ghost: nobody else keeps it then. */

import { isFuse } from '../../base/filesystems.js';
import { hasContent, isRegular, kindName } from '../../base/host/file-type.js';
import type { ProcessView } from '../../base/host/host.js';
import { type Ghost, pathOf } from '../ghost.js';
import { internalName } from '../links.js';

/**
 * Why its bytes are not copied; undefined: they are, through its holder. Where its mount is, what covers
 * that, and what else has the same number matters to CRIU only.
 * @param servesFuse one of the dumped processes serves a FUSE file system: it may be stopped, and never
 * answer
 */
export function whyNotCopied(ghost: Ghost, servesFuse: boolean, processes: ProcessView): string | undefined {
  if (!isRegular(ghost.stat.mode)) {
    const lacks = hasContent(ghost.stat.mode) ? 'only CRIU makes it again' : 'it has no content';
    return `${kindName(ghost.stat.mode)}: ${lacks}`;
  }
  if (ghost.mounts.length === 0) return 'it cannot be opened from here';
  const isUnknown = ghost.mounts.every(mount => mount.dev === undefined);
  const internal = isUnknown ? internalName(pathOf(ghost)) : undefined;
  if (internal === 'a memfd') {
    // A file that somebody named so is on another device, and may be on any file system.
    if (ghost.stat.dev === processes.sharedMemoryDev()) return undefined;
  } else if (internal) return `${internal}: memory of its processes, and no file`;
  const mayBeFuse = ghost.filesystem === 'unknown' || isFuse(ghost.filesystem);
  return servesFuse && mayBeFuse ? 'a process that is dumped with it may be its FUSE server' : undefined;
}

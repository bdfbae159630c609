/** Decides about a ghost in a dump without CRIU, where only ghostkeep can keep it. */

import { isFuse } from '../../base/filesystems.js';
import { hasContent, isRegular, kindName } from '../../base/host/file-type.js';
import type { ProcessView } from '../../base/host/host.js';
import { type Ghost, pathOf } from '../ghost.js';
import { internalName } from '../links.js';

/**
 * @returns why a ghost's bytes are not copied, or undefined where they are copied through its holder. Its
 * mount, a mount that covers that one, and another file with the same number do not matter here: they matter
 * to CRIU only.
 * @param servesFuse one of the dumped processes serves a FUSE file system; it may be stopped and never answer
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
    // Only the device shows that a file is a memfd. A file on another device, of any file system, may have a
    // memfd's name.
    if (ghost.stat.dev === processes.sharedMemoryDev()) return undefined;
  } else if (internal) return `${internal}: memory of its processes, and no file`;
  const mayBeFuse = ghost.filesystem === 'unknown' || isFuse(ghost.filesystem);
  return servesFuse && mayBeFuse ? 'a process that is dumped with it may be its FUSE server' : undefined;
}

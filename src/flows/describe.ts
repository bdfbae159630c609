import type { ManifestGhost } from '../base/documents/generated/manifest.js';
import type { IdMap } from '../base/host.js';
import { pathFromText, pathToText } from '../base/path-bytes.js';
import { showDev, showTime } from '../base/units.js';
import type { ExternalGhost } from '../criu/seal-plan.js';
import { externalKey, toRecord } from '../ghost/ghost.js';
import type { Context } from './context.js';
import type { PinnedGhost } from './pin.js';

/** Everything the manifest knows of a ghost but its data: what CRIU's format holds, and what it cannot hold. */
export function describeGhost(
  context: Context,
  pinned: PinnedGhost,
  ids: IdMap,
  id: number,
  image: string,
): ManifestGhost {
  const { ghost, stat, fd } = pinned;
  const xattrs = context.host.engine.xattrs(fd);
  return {
    ...toRecord({ ...ghost, stat }),
    id,
    image,
    mode: stat.mode,
    uid: ids.uid(stat.uid),
    gid: ids.gid(stat.gid),
    physicalDev: showDev(physicalDev(pinned)),
    atime: showTime(stat.atimeNs),
    mtime: showTime(stat.mtimeNs),
    ...(stat.birthtimeNs > 0n ? { birth: showTime(stat.birthtimeNs) } : {}),
    paths: ghost.mounts.map(mount => ({
      key: externalKey(mount.id, stat.ino),
      mount: mount.id,
      ...pathToText(mount.path),
    })),
    xattrs: Object.fromEntries(
      Object.entries(xattrs).map(([name, value]) => [name, value.toString('base64')]),
    ),
  };
}

/**
 * The device CRIU writes: on btrfs stat shows a subvolume's made-up device, and CRIU takes the mount's.
 * Source: CRIU mount.c, phys_stat_resolve_dev.
 */
export function physicalDev({ ghost, stat }: PinnedGhost): bigint {
  return (ghost.filesystem === 'btrfs' ? ghost.mounts[0]?.dev : undefined) ?? stat.dev;
}

export function toExternal(ghost: ManifestGhost): ExternalGhost {
  return {
    id: ghost.id,
    paths: ghost.paths.map(place => ({ key: place.key, mount: place.mount, path: pathFromText(place) })),
  };
}

import { bounds } from '../../base/bounds.js';
import type {
  KeyPath,
  LinkedGroup,
  Manifest,
  ManifestGhost,
  RenamedFolder as RenamedFolderRecord,
} from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import { isDirectory } from '../../base/host/file-type.js';
import type { FileStat } from '../../base/host/host.js';
import { birthOf } from '../../base/host/identity.js';
import type { IdMap } from '../../base/id-map.js';
import { pathFromText, pathToText } from '../../base/text/path-bytes.js';
import { showDev, showTime } from '../../base/units.js';
import type { RenamedFile, RenamedFolder } from '../../criu/files-image.js';
import type { ExternalGhost } from '../../criu/seal-plan.js';
import { externalKey, type Ghost, showGhost, showIdentity, toRecord } from '../../ghost/ghost.js';
import { findLinkedNames } from '../choose/linked-names.js';
import type { PinnedGhost } from '../choose/pin.js';
import type { Context } from '../context.js';
import { describeFolders } from './describe-folders.js';

/** The bytes that the extended attributes of further ghosts of a dump may have. */
export interface AttributeRoom {
  left: number;
}

/**
 * The attributes of one ghost may have half a gigabyte, and are in memory while all is frozen. So a dump
 * whose attributes alone are larger than a manifest may be fails at once.
 */
export const attributeRoom = (): AttributeRoom => ({ left: bounds.manifest.bytes });

/** Everything the manifest knows of a ghost except its data, including what CRIU's format cannot hold. */
export function describeGhost(
  context: Context,
  pinned: PinnedGhost,
  ids: IdMap,
  id: number,
  image: string,
  room = attributeRoom(),
): ManifestGhost {
  const { ghost, stat } = pinned;
  const birth = birthOf(stat);
  const group = comesBackByName(ghost) ? describeGroup(context, ghost, stat) : undefined;
  return {
    ...toRecord({ ...ghost, stat }),
    id,
    image,
    mode: stat.mode,
    ...describeOwner(stat, ids),
    ...attributesOf(context, pinned, room),
    physicalDev: showDev(physicalDev(pinned)),
    atime: showTime(stat.atimeNs),
    mtime: showTime(stat.mtimeNs),
    ...(birth === undefined ? {} : { birth: showTime(birth) }),
    ...(group ? { linked: group } : {}),
    paths: (group ? [] : ghost.mounts).map(mount => ({
      key: externalKey(mount.id, stat.ino),
      mount: mount.id,
      ...pathToText(mount.restorable ?? mount.path),
    })),
  };
}

/** True for a file whose names we make again before CRIU opens them. CRIU does not know of its image. */
export const comesBackByName = (ghost: Ghost) => ghost.class === 'linked' || ghost.class === 'named';

export function describeOwner(stat: FileStat, ids: IdMap): Pick<ManifestGhost, 'uid' | 'gid'> {
  return { uid: ids.uid(stat.uid), gid: ids.gid(stat.gid) };
}

/** @throws MANIFEST_INVALID where ROOM is too small */
function attributesOf(context: Context, pinned: PinnedGhost, room: AttributeRoom): Attributes {
  try {
    return describeAttributes(context, pinned, room);
  } catch (error) {
    if (errnoOf(error) !== 'E2BIG') throw error;
    const subject = showIdentity(pinned.stat);
    const message = `cannot dump ${showGhost(pinned.ghost)}: the extended attributes of all ghosts have more bytes than a manifest may (${bounds.manifest.bytes}); remove some of its attributes`;
    throw new GhostkeepError('MANIFEST_INVALID', subject, message, { cause: error });
  }
}

type Attributes = Pick<ManifestGhost, 'inodeFlags' | 'xattrs'>;

/** Reads extended attributes and inode flags, which no stat shows. @throws E2BIG where ROOM is too small */
export function describeAttributes(
  { host: { engine } }: Context,
  { fd, ...asked }: Pick<PinnedGhost, 'fd' | 'inodeFlags' | 'hasXattrs'>,
  room = attributeRoom(),
): Attributes {
  const xattrs = asked.hasXattrs === false ? {} : engine.xattrs(fd, room.left);
  for (const value of Object.values(xattrs)) room.left -= value.length;
  const inodeFlags = asked.inodeFlags ?? engine.flags(fd);
  return {
    ...(inodeFlags ? { inodeFlags } : {}),
    xattrs: Object.fromEntries(
      Object.entries(xattrs).map(([name, value]) => [name, value.toString('base64')]),
    ),
  };
}

/**
 * The device that CRIU writes. On btrfs stat(2) shows the made-up device of a subvolume, and CRIU takes the
 * mount's device. Source: CRIU mount.c, phys_stat_resolve_dev.
 */
export function physicalDev({ ghost, stat }: PinnedGhost): bigint {
  return (ghost.filesystem === 'btrfs' ? ghost.mounts[0]?.dev : undefined) ?? stat.dev;
}

/**
 * The part of the manifest that is about names: of linked ghosts (`links`; `linkedNames` if their content is
 * not kept) and of removed folders (`renamedFolders`).
 */
export type Names = Pick<Manifest, 'links' | 'linkedNames' | 'renamedFolders'>;

/** Lists the open files of linked ghosts, under the first name that the inode still has on each mount. */
export function describeLinked({ host }: Context, ghosts: readonly Ghost[]): Names {
  const links = ghosts.flatMap(describeLinks);
  const linkedNames = findLinkedNames(
    host,
    ghosts.filter(({ namesStay }) => namesStay),
  );
  return { ...(links.length > 0 ? { links } : {}), ...(linkedNames ? { linkedNames } : {}) };
}

function describeLinks(ghost: Ghost): KeyPath[] {
  return ghost.mounts.flatMap(mount =>
    mount.names?.[0]
      ? [{ key: externalKey(mount.id, ghost.stat.ino), mount: mount.id, ...pathToText(mount.names[0]) }]
      : [],
  );
}

/** maxItems of the manifest's schema. The others keep the names that CRIU gives them. */
const mostRenamed = 4000;

/**
 * CRIU keeps removed folders itself. We give other names to those that it could not make again by their own
 * names.
 */
export function describeRenamedFolders(ghosts: readonly Ghost[]): Names {
  const folders = ghosts.filter(({ stat }) => isDirectory(stat.mode));
  const renamed = folders.flatMap(({ mounts }) =>
    mounts.flatMap(({ id, path, restorable }) =>
      restorable ? [{ mount: id, was: pathToText(path), as: pathToText(restorable) }] : [],
    ),
  );
  return renamed.length > 0 ? { renamedFolders: renamed.slice(0, mostRenamed) } : {};
}

const inMemory = new Set(['tmpfs', 'ramfs']);

function describeGroup(
  { host }: Context,
  { filesystem, mounts: [mount] }: Ghost,
  stat: FileStat,
): LinkedGroup | undefined {
  if (!mount?.mountPoint || !mount.names?.length) return undefined;
  const start = mount.mountPoint.length === 1 ? 1 : mount.mountPoint.length + 1;
  const names = mount.names.map(name => name.subarray(start));
  // A folder on a file server is not asked for, because the server may be dead. No name is made there anyway.
  const folders = inMemory.has(filesystem) ? describeFolders(host, mount, names) : [];
  return {
    mountPoint: pathToText(mount.mountPoint),
    names: names.map(pathToText),
    ...(folders.length > 0 ? { folders } : {}),
    hostUid: stat.uid,
    hostGid: stat.gid,
  };
}

export function toKeyPath(place: KeyPath): RenamedFile {
  return { key: place.key, mount: place.mount, path: pathFromText(place) };
}

export function toRenamedFolder({ mount, was, as }: RenamedFolderRecord): RenamedFolder {
  return { mount, was: pathFromText(was), as: pathFromText(as) };
}

export function toExternal(ghost: ManifestGhost): ExternalGhost {
  return {
    id: ghost.id,
    paths: ghost.paths.map(toKeyPath),
  };
}

/** `ghost 8:1/4711 (/data/tmp)` */
export function nameOf(entry: ManifestGhost): string {
  return `${entry.class === 'named' ? 'file' : 'ghost'} ${entry.dev}/${entry.ino} (${entry.path})`;
}

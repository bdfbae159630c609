/**
 * Anybody may have made a manifest, and its texts stand for bytes, times and devices. All of these texts are
 * decoded once when the manifest is read. Otherwise a command could act on a part of the manifest before it
 * finds that another part cannot be decoded. Code that uses a text decodes it again and checks the result.
 */

import type { Manifest, ManifestGhost } from '../base/documents/generated/manifest.js';
import { GhostkeepError, reasonOf } from '../base/errors.js';
import type { MakeableFolder } from '../base/host/host.js';
import { bytesFromBase64 } from '../base/text/base64.js';
import { nameFromText } from '../base/text/name-text.js';
import { type PathText, pathFromText } from '../base/text/path-bytes.js';
import { parseDev, parseTime } from '../base/units.js';

/** @param subject names the manifest in the message. @throws MANIFEST_INVALID */
export function assertDecodes(manifest: Manifest, subject: string): void {
  let field = 'inventory';
  try {
    bytesFromBase64(manifest.inventory ?? '');
    bytesFromBase64(manifest.earlierInventory?.content ?? '');
    field = 'links';
    for (const link of manifest.links ?? []) pathFromText(link);
    field = 'renamedFolders';
    for (const { was, as } of manifest.renamedFolders ?? []) for (const path of [was, as]) pathFromText(path);
    field = 'linkedNames';
    for (const { mountPoint, name } of manifest.linkedNames?.files ?? [])
      for (const path of [mountPoint, name]) pathFromText(path);
    for (const [index, ghost] of manifest.ghosts.entries()) {
      field = `ghosts.${index}`;
      assertGhostDecodes(ghost);
    }
  } catch (cause) {
    if (!(cause instanceof GhostkeepError)) throw cause;
    throw new GhostkeepError(
      'MANIFEST_INVALID',
      subject,
      `cannot accept ${subject}: in ${field} ${reasonOf(cause)}`,
      { cause },
    );
  }
}

export interface Xattr {
  name: Buffer;
  value: Buffer;
}

/** @throws BAD_INPUT */
export function xattrsOf({ xattrs }: ManifestGhost): Xattr[] {
  return Object.entries(xattrs).map(([name, value = '']) => ({
    name: nameFromText(name),
    value: bytesFromBase64(value),
  }));
}

/** Names of a linked ghost, each below its mount point. @throws BAD_INPUT */
export function linkedNamesOf({ names }: { names: readonly PathText[] }): Buffer[] {
  return names.map(text => {
    const name = pathFromText(text);
    if (!name.toString('latin1').split('/').some(isNoName)) return name;
    throw new GhostkeepError('BAD_INPUT', text.path, `${JSON.stringify(text.path)} is no name below a mount`);
  });
}

/** Folders of a named file, each below its mount point. @throws BAD_INPUT */
export function linkedFoldersOf({ folders = [] }: NonNullable<ManifestGhost['linked']>): MakeableFolder[] {
  const names = linkedNamesOf({ names: folders });
  return folders.map(({ mode, hostUid, hostGid }, index) => ({
    name: names[index] as Buffer,
    mode,
    uid: hostUid,
    gid: hostGid,
  }));
}

const isNoName = (part: string) => part === '' || part === '.' || part === '..';

function assertGhostDecodes(ghost: ManifestGhost): void {
  const { atime, mtime, birth, dev, physicalDev, paths, linked } = ghost;
  for (const path of [ghost satisfies PathText, ...paths]) pathFromText(path);
  for (const time of [atime, mtime, birth]) if (time !== undefined) parseTime(time);
  for (const device of [dev, physicalDev]) parseDev(device);
  xattrsOf(ghost);
  if (!linked) return;
  pathFromText(linked.mountPoint);
  linkedNamesOf(linked);
  linkedFoldersOf(linked);
}

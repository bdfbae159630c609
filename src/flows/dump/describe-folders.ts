import type { LinkedFolder } from '../../base/documents/generated/manifest.js';
import { errnoOf } from '../../base/errors.js';
import type { Host } from '../../base/host/host.js';
import { pathToText } from '../../base/text/path-bytes.js';
import type { GhostMount } from '../../ghost/ghost.js';
import { findOnHost } from '../../ghost/mounts/on-host.js';

/** maxItems of the manifest's schema. */
const mostFolders = 256;

/**
 * The folders on MOUNT that NAMES lie in, outer ones first. A folder that cannot be looked at is left out,
 * and a restore is then refused where that folder is missing.
 * @param names relative to the mount point
 */
export function describeFolders(
  { processes, files }: Host,
  mount: GhostMount,
  names: readonly Buffer[],
): LinkedFolder[] {
  const paths = new Set<string>();
  for (const name of names) for (const path of foldersOf(name)) paths.add(path.toString('latin1'));
  if (paths.size === 0) return [];
  const ours = processes.mounts(processes.self());
  const outerFirst = [...paths].sort((a, b) => a.length - b.length).slice(0, mostFolders);
  return outerFirst.flatMap((text): LinkedFolder[] => {
    const path = Buffer.from(text, 'latin1');
    const absolute = Buffer.concat([mount.mountPoint ?? Buffer.alloc(0), Buffer.from('/'), path]);
    try {
      const found = findOnHost(ours, mount, absolute);
      const stat = found && files.statOn(found.mount, found.name);
      if (!stat) return [];
      return [{ ...pathToText(path), mode: stat.mode, hostUid: stat.uid, hostGid: stat.gid }];
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return [];
    }
  });
}

function foldersOf(name: Buffer): Buffer[] {
  const folders: Buffer[] = [];
  for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1))
    folders.push(name.subarray(0, end));
  return folders;
}

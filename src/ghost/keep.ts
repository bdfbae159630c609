import { type Ghost, pathOf } from './ghost.js';
import { isRegular, kindName } from './kind.js';
import { internalName } from './links.js';
import type { MountTable } from './mount-table.js';
import type { OpenFiles } from './open-files.js';

/**
 * Decide who carries a ghost's content, and say why: ghostkeep takes what it can take without guessing,
 * everything else stays CRIU's.
 */
export function decideKeep(ghost: Ghost, files: OpenFiles, mounts: MountTable): void {
  const decided = criuKeeps(ghost, files, mounts);
  ghost.keep = decided ? decided.keep : 'ghostkeep';
  ghost.why = decided ? decided.why : 'a regular file that exists nowhere else';
}

function criuKeeps(
  ghost: Ghost,
  files: OpenFiles,
  mounts: MountTable,
): { keep: 'criu' | 'no'; why: string } | undefined {
  const criu = (why: string) => ({ keep: 'criu' as const, why });
  if (!isRegular(ghost.stat.mode))
    return criu(`${kindName(ghost.stat.mode)}: it has no content, CRIU makes it again`);
  if (ghost.class === 'linked') return criu('its inode has other names: CRIU needs --link-remap for it');
  if (ghost.mounts.length === 0)
    return { keep: 'no', why: 'it cannot be opened from here, so its mount is unknown' };
  if (ghost.mounts.some(mount => mount.dev === undefined)) {
    const internal = internalName(pathOf(ghost));
    return criu(
      internal
        ? `${internal}: CRIU keeps it itself`
        : 'its mount is not in the mount namespace of its holder',
    );
  }
  if (ghost.filesystem === 'hugetlbfs') return criu('huge pages: they cannot be written to, only mapped');
  if (ghost.filesystem.startsWith('fuse') && files.servesFuse)
    return criu('a frozen process of the container may be its FUSE server');
  if (sharesKey(ghost, files, mounts))
    return criu(
      'another open file has the same inode number on the same mount, and CRIU could not tell them apart',
    );
  return undefined;
}

function sharesKey(ghost: Ghost, files: OpenFiles, mounts: MountTable): boolean {
  return files.namesakes(ghost.stat).some(({ pid, link }) => {
    const id = mounts.idThrough(pid, link);
    return id === undefined || ghost.mounts.some(mount => mount.id === id);
  });
}

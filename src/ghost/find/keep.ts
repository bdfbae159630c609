import { hardLinks, isFuse, isSillyNameOn, keepsNames, mayCountWrongly } from '../../base/filesystems.js';
import { hasContent, isRegular, kindName } from '../../base/host/file-type.js';
import type { ProcessView } from '../../base/host/host.js';
import { type Ghost, pathOf } from '../ghost.js';
import { internalName, longPath } from '../links.js';
import type { MountTable } from '../mounts/mount-table.js';
import { findNames, SearchBudget } from './names.js';
import type { OpenFiles } from './open-files.js';

type Decision = Pick<Ghost, 'keep' | 'why' | 'refusedByCriu'>;

/**
 * Decide whether ghostkeep or CRIU keeps a ghost's content, and say why. ghostkeep takes every ghost that it
 * can take without guessing; CRIU keeps the others.
 */
export function decideKeep(
  ghost: Ghost,
  files: OpenFiles,
  mounts: MountTable,
  processes: ProcessView,
  budget = new SearchBudget(),
): void {
  const decided =
    criuKeeps(ghost, files, mounts) ?? refusal(ghost) ?? linkedKeep(ghost, mounts, processes, budget);
  ghost.keep = decided ? decided.keep : 'ghostkeep';
  ghost.why = decided ? decided.why : 'a regular file that exists nowhere else';
  if (decided?.refusedByCriu) ghost.refusedByCriu = true;
  noteRestore(ghost);
  if (ghost.keep === 'ghostkeep') leaveLongPath(ghost);
}

const refused = (why: string) => ({ keep: 'criu' as const, why, refusedByCriu: true });

/**
 * CRIU reads the link of every open file, and fails where its buffer has no room for the path. Source: CRIU
 * files.c, fill_fdlink
 */
function leaveLongPath(ghost: Ghost): void {
  if (!ghost.mounts.some(mount => mount.path.equals(longPath))) return;
  Object.assign(ghost, refused('its path has more than 4,095 bytes: CRIU refuses such open files'));
}

function criuKeeps(ghost: Ghost, files: OpenFiles, mounts: MountTable): Decision | undefined {
  const criu = (why: string) => ({ keep: 'criu' as const, why });
  if (!isRegular(ghost.stat.mode)) {
    const lacks = hasContent(ghost.stat.mode) ? '' : 'it has no content, ';
    return criu(`${kindName(ghost.stat.mode)}: ${lacks}CRIU makes it again`);
  }
  if (ghost.mounts.length === 0)
    return { keep: 'no', why: 'it cannot be opened from here, so its mount is unknown' };
  if (ghost.mounts.some(mount => mount.dev === undefined || mount.beyondCriu)) {
    const internal = internalName(pathOf(ghost));
    return internal
      ? criu(`${internal}: CRIU keeps it itself`)
      : refused('its mount is in no mount namespace that CRIU looks in: CRIU refuses open files there');
  }
  if (ghost.filesystem === 'hugetlbfs') return criu('huge pages: they cannot be written to, only mapped');
  if (isFuse(ghost.filesystem) && files.servesFuse)
    return criu('a frozen process of the container may be its FUSE server');
  if (sharesKey(ghost, files, mounts))
    return criu(
      'another open file has the same inode number on the same mount, and CRIU could not tell them apart',
    );
  return undefined;
}

/**
 * CRIU checks whether a mount is covered only for files that it keeps itself. If we took a ghost whose mount
 * is covered, it would be lost at restore. If we leave it to CRIU, CRIU stops the checkpoint and the
 * container runs on.
 */
function refusal(ghost: Ghost): Decision | undefined {
  if (!ghost.mounts.some(mount => mount.covered)) return undefined;
  return refused('another mount covers its own: CRIU refuses open files there');
}

/**
 * To restore a ghost, CRIU makes a file in the ghost's former folder, links it to its name and opens that
 * name. At dump it does not check whether it can do so (seen with CRIU 4.1.1: "Can't re-create deleted file",
 * "Can't link"). This does not matter for a linked ghost: it has a name, or CRIU refuses it.
 */
function noteRestore(ghost: Ghost): void {
  if (!isRegular(ghost.stat.mode) || ghost.class === 'linked') return;
  const { filesystem, mounts } = ghost;
  if (mounts.some(mount => mount.rootGone))
    ghost.unrestorable = 'the source of its mount was removed or replaced: CRIU could not restore it';
  else if (hardLinks(filesystem) === 'never')
    ghost.unrestorable = `${filesystem} has no hard links: CRIU could not restore it`;
  else if (hardLinks(filesystem) === 'perhaps')
    ghost.doubt = `${filesystem} may have no hard links, and CRIU needs them to restore it`;
  if (ghost.unrestorable === undefined || ghost.keep !== 'ghostkeep') return;
  ghost.keep = 'criu';
  ghost.why = ghost.unrestorable;
}

/**
 * A linked ghost is kept by another name of its inode. The name that a FUSE server gave it on removal does
 * not count, because it goes with the last descriptor. On overlayfs a file that was removed while only its
 * lower layer was open has a link count of 1 and no name at all, so it is an unlinked ghost
 * (checkpoint-restore/criu#1672). The same holds for servers that always count 1.
 */
function linkedKeep(
  ghost: Ghost,
  mounts: MountTable,
  processes: ProcessView,
  budget: SearchBudget,
): Decision | undefined {
  if (ghost.class !== 'linked') return undefined;
  const complete = findNames(processes, ghost, budget);
  if (forgetSillyNames(ghost) && !hasNames(ghost)) {
    ghost.class = 'silly-renamed';
    return undefined;
  }
  if (hasNames(ghost)) {
    ghost.namesStay = namesStay(ghost, mounts);
    return { keep: 'ghostkeep', why: `its inode still is ${ghost.mounts[0]?.names?.[0]?.toString('utf8')}` };
  }
  if (complete && mayCountWrongly(ghost.filesystem, ghost.stat.nlink)) {
    ghost.class = 'unlinked';
    return undefined;
  }
  const where = complete ? 'none on the mount it is open through' : 'none was found in reasonable time';
  return refused(`its inode has other names, but ${where}: CRIU needs --link-remap for it`);
}

/**
 * A linked ghost still has other names (hard links). Do these survive the container? If they do, its content
 * need not be copied. On overlayfs they survive if the file system of the upper layer keeps names. Elsewhere
 * they survive if the file system keeps names and the host has mounted it, too: a disk that only the
 * container has mounted may go with the container.
 */
function namesStay(ghost: Ghost, mounts: MountTable): boolean {
  if (ghost.upper) return mounts.filesystemOfUpper(ghost.upper) !== undefined;
  return keepsNames(ghost.filesystem) && ghost.mounts.every(({ dev }) => mounts.isHereAlso(dev));
}

/** True where the inode has a name on each mount that the ghost is open through. */
function hasNames({ mounts }: Ghost): boolean {
  return mounts.every(({ names }) => names && names.length > 0);
}

/** @returns true where there were silly names */
function forgetSillyNames(ghost: Ghost): boolean {
  let found = false;
  for (const mount of ghost.mounts) {
    const names = mount.names?.filter(name => !isSillyNameOn(name, ghost.filesystem));
    found ||= names?.length !== mount.names?.length;
    if (names) mount.names = names;
  }
  return found;
}

function sharesKey(ghost: Ghost, files: OpenFiles, mounts: MountTable): boolean {
  return files.namesakes(ghost.stat).some(({ pid, link }) => {
    const id = mounts.idThrough(pid, link);
    return id === undefined || ghost.mounts.some(mount => mount.id === id);
  });
}

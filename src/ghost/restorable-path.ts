import { randomBytes } from 'node:crypto';

/**
 * CRIU makes a ghost again as PATH.cr.ID.ghost (eight hexadecimal digits at most) and links it to PATH, below a temporary
 * folder of its own. Source: CRIU files-reg.c, open_remap_ghost.
 */
const longestName = 255 - '.cr.01234567.ghost'.length;
const longestPath = 3840;

/**
 * A path that CRIU can make a ghost by, where its own will not do: the folder is hidden by another mount or is none any
 * more, or the name is
 * too long for what CRIU appends. Ghosts have no name after restore, so any name will do that nobody else has: 96 bits
 * of chance, which whoever fills the mount cannot foresee.
 * @returns undefined where the own path is good
 */
export function restorablePath(path: Buffer, mountPoint: Buffer, folderIsBad: boolean): Buffer | undefined {
  const root = mountPoint.at(-1) === 0x2f ? mountPoint : Buffer.concat([mountPoint, Buffer.from('/')]);
  // The mount of a single file has no folder to put anything in.
  if (!path.subarray(0, root.length).equals(root)) return undefined;
  const nameBytes = path.length - 1 - path.lastIndexOf('/');
  if (!folderIsBad && nameBytes <= longestName && path.length <= longestPath) return undefined;
  return Buffer.concat([root, Buffer.from(`.ghostkeep-${randomBytes(12).toString('hex')}`)]);
}

/**
 * Makes a file in a folder that nobody else may write to. The file gets its name only when the disk has all
 * of it, and never replaces a file of that name.
 */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import type { Context } from '../context.js';
import { applyMetadata } from './metadata.js';
import { createPartial, openKept, type PartialFile } from './partial-files.js';

export interface RestoredGhost {
  id: number;
  path: string;
  ghost: ManifestGhost;
  /** Metadata that could not be set, for example `owner (EPERM)`. */
  missing: string[];
  /** Metadata that we did not set because `allowPrivileged` was not given. */
  withheld: string[];
}

/** The folder that files are made in, and settings that all of them share. */
export interface Folder {
  /** The folder's name as the user gave it, for messages. */
  to: string;
  /** The same folder by its descriptor: /proc/self/fd/N. */
  folder: string;
  allowPrivileged: boolean;
  /** See createPartial. */
  unfinished: Set<string>;
}

export interface NewFile {
  name: string;
  ghost: ManifestGhost;
  /** The beginning of the message of an error: `cannot restore …`. */
  action: string;
  /** Writes the content. @returns the parts that could not be restored, as in RestoredGhost.missing */
  fill(fd: number): Promise<string[]>;
  /**
   * Set if an interrupted restore may have left bytes in this file that are nowhere else. Then the file has
   * the name `kept.name` until it is complete. It is opened, or made if `isBegun` is false, and it stays if
   * the restore fails.
   */
  kept?: { name: string; isBegun: boolean };
  /** Turns an error into the one to throw. */
  explain(error: unknown): unknown;
}

export interface MadeFile {
  partial: PartialFile;
  file: NewFile;
  restored: RestoredGhost;
}

/**
 * Makes the file under a temporary name. nameFile sets the inode flags later, because with some of them the
 * file could not be renamed.
 */
export async function makeFile(context: Context, target: Folder, file: NewFile): Promise<MadeFile> {
  const { host } = context;
  const { to, folder, allowPrivileged, unfinished } = target;
  const { name, ghost, action } = file;
  const path = `${to}/${name}`;
  let partial: PartialFile | undefined;
  try {
    if (file.kept?.name !== name && host.files.exists(`${folder}/${name}`))
      throw new GhostkeepError('IO', path, `${action}: EEXIST: it is there already`);
    partial =
      file.kept === undefined
        ? createPartial(host, folder, ghost.id, unfinished)
        : openKept(host, folder, file.kept);
    const unwritten = await file.fill(partial.fd);
    const request = { parts: ['owner', 'xattrs', 'mode', 'times'], allowPrivileged } as const;
    const { missing, withheld } = applyMetadata(host, partial.fd, ghost, request);
    const restored = { id: ghost.id, path, ghost, missing: [...unwritten, ...missing], withheld };
    return { partial, file, restored };
  } catch (error) {
    if (partial) drop(context, target, partial, file);
    throw file.explain(error);
  }
}

/**
 * Waits until the disk has the file, gives it its name, and sets its inode flags.
 * @throws as makeFile does; then the file is removed, unless it is `kept`
 */
export async function nameFile(
  context: Context,
  target: Folder,
  { partial, file, restored }: MadeFile,
): Promise<RestoredGhost> {
  const { host } = context;
  const { folder, allowPrivileged, unfinished } = target;
  try {
    await host.files.flush(partial.fd);
    if (file.kept?.name !== file.name) host.files.renameNew(partial.path, `${folder}/${file.name}`);
    unfinished.delete(partial.path);
  } catch (error) {
    drop(context, target, partial, file);
    throw file.explain(error);
  }
  try {
    const { missing } = applyMetadata(host, partial.fd, file.ghost, { parts: ['flags'], allowPrivileged });
    return { ...restored, missing: [...restored.missing, ...missing] };
  } finally {
    host.files.close(partial.fd);
  }
}

function drop(
  { host: { files } }: Context,
  { unfinished }: Folder,
  { fd, path }: PartialFile,
  { kept }: NewFile,
): void {
  if (kept === undefined) files.remove(path);
  unfinished.delete(path);
  files.close(fd);
}

/**
 * Makes a file in a folder that nobody else may write to. It gets its name only when the disk has all of it,
 * and never the name of a file that is there.
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
  /** Writes the content. @returns what of it could not be had, as in RestoredGhost.missing */
  fill(fd: number): Promise<string[]>;
  /**
   * The file's name until it is complete, where an interrupted restore may have left bytes in it that are
   * nowhere else. It is opened or made, and stays when the restore fails.
   */
  kept?: { name: string; isBegun: boolean };
  /** The error to throw for one that came up. */
  explain(error: unknown): unknown;
}

export interface MadeFile {
  partial: PartialFile;
  file: NewFile;
  restored: RestoredGhost;
}

/** Makes the file without its name and without the flags that would forbid one; nameFile adds these. */
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

/** Gives the file its name when the disk has all of it. @throws as makeFile does; then the file is removed */
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

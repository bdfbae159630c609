/** `show` and `verify` look at an image directory, or at a checkpoint in an archive as engines export it. */
import path from 'node:path';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { GhostkeepError } from '../../base/errors.js';
import type { Archives, Compression } from '../../base/host/archive.js';
import { journalName, manifestName, folder as workFolder } from '../../image/layout.js';
import { type Context, whenMoving } from '../context.js';
import { ArchivedFolder, Room } from './archived-folder.js';
import { archivedHost, archivedImages } from './archived-host.js';
import { readAnyManifest } from './criu-alone.js';

export interface Dump {
  /** For an archive, its host reads the archive. */
  context: Context;
  /** The path of the image directory for that host. */
  images: string;
  /** The name for messages: the directory, or the archive and the folder in it. */
  where: string;
  /** How the archive is compressed; undefined for a directory. */
  archive: Compression | undefined;
  /** The content of CRIU's stats-dump, if the archive has one. */
  stats: Buffer | undefined;
  /** @throws MANIFEST_MISSING, MANIFEST_INVALID, CRIU_IMAGE_INVALID */
  manifest(): Manifest;
}

/** @throws ARCHIVE_INVALID. A directory that holds no dump is found out when its manifest is read. */
export async function openDump(context: Context, archives: Archives, given: string): Promise<Dump> {
  const { files } = context.host;
  const fd = archives.open(given);
  if (fd === undefined) return dumpIn(context, given, files.realPath(given), undefined);
  try {
    return await readArchived(context, archives, given, fd);
  } finally {
    files.close(fd);
  }
}

async function readArchived(context: Context, archives: Archives, given: string, fd: number): Promise<Dump> {
  const folders = new Map<string, ArchivedFolder>();
  const room = new Room();
  const bytes = () => context.host.files.stat(fd).size;
  context.progress?.begin({ what: 'reading the archive', item: 'archive', items: 1, bytes });
  const moving = whenMoving(context);
  const compression = await archives.read(given, fd, {
    read: moving,
    member: member => {
      const { folder, name } = placeOf(member.name);
      const known = folders.get(folder) ?? new ArchivedFolder(archives.crc32c, room);
      folders.set(folder, known);
      return known.take(name, member);
    },
  });
  const [found, ...others] = [...folders].filter(([, folder]) => isCheckpoint(folder));
  if (!found) throw noCheckpoint(given, 'it holds no checkpoint (no inventory.img, and no manifest)');
  if (others.length > 0)
    throw noCheckpoint(given, `it holds ${others.length + 1} checkpoints, and nobody knows which is meant`);
  const [name, folder] = found;
  const where = name === '' ? given : `${given}:${name}`;
  const host = archivedHost(context.host, folder, where);
  // podman puts stats-dump beside the folder of the images.
  const stats = [name, ''].map(each => folders.get(each)?.files.get('stats-dump')?.content).find(Boolean);
  return dumpIn({ ...context, host }, archivedImages, where, compression, stats);
}

function dumpIn(
  context: Context,
  images: string,
  where: string,
  archive: Compression | undefined,
  stats?: Buffer,
): Dump {
  const { files } = context.host;
  let known: Manifest | undefined;
  return {
    context,
    images,
    where,
    archive,
    stats,
    manifest: () => {
      known ??= readAnyManifest(files, images, context.progress);
      return known;
    },
  };
}

/**
 * Says to which image directory a member of the archive belongs. A file in ghostkeep's working folder
 * belongs to the directory around that folder.
 */
function placeOf(member: string): { folder: string; name: string } {
  const folder = path.posix.dirname(member);
  const isWork = path.posix.basename(folder) === workFolder;
  const images = isWork ? path.posix.dirname(folder) : folder;
  return images === '.'
    ? { folder: '', name: member }
    : { folder: images, name: member.slice(images.length + 1) };
}

function isCheckpoint({ files }: ArchivedFolder): boolean {
  return [manifestName, journalName, 'inventory.img'].some(name => files.has(name));
}

function noCheckpoint(file: string, why: string): GhostkeepError {
  return new GhostkeepError('ARCHIVE_INVALID', file, `cannot use ${file}: ${why}`);
}

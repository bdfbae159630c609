/** Which files of an image directory belong to its checkpoint, and may go with it. */
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf } from '../../base/errors.js';
import { isRegular, isSymbolicLink } from '../../base/host/file-type.js';
import type { Files } from '../../base/host/host.js';
import { beginsAsImage } from '../../criu/frame.js';
import { isSealedOwnName } from '../../image/layout.js';

/**
 * Images of CRIU without a magic number: pages, archives, and what other programs wrote for it. Source: CRIU
 * image-desc.c, O_NOBUF and the FD_ENTRY_F lines with RAW.
 */
const rawNames = [
  ...['pages', 'pages-shmem', 'pages-comp', 'ghost-file', 'tmpfs', 'tmpfs-dev', 'autofs', 'binfmt-misc'],
  ...['ipcns-shm', 'iptables', 'ip6tables', 'nftables', 'ifaddr', 'route', 'route6', 'rule', 'netns-ct'],
  ...['netns-exp', 'sk-queues', 'pipes-data', 'fifo-data', 'tcp-stream', 'tty-data'],
];
const rawImage = new RegExp(`^(${rawNames.join('|')})(-[0-9a-f]+)*(\\.tar\\.gz)?\\.img$`);

/**
 * inventory.img, whose magic number tells nothing of CRIU; files that CRIU, runc and crun write beside the
 * images; and our log.
 */
const beside = new Set([
  'inventory.img',
  'stats-dump',
  'stats-restore',
  'irmap-cache',
  'dump.log',
  'restore.log',
  'pre-dump.log',
  'criu.log',
  'descriptors.json',
  'ghostkeep.log',
]);

export interface KnownFile {
  name: string;
  size: bigint;
}

/** Sorted out: what belongs to the checkpoint, and names of what does not. */
export function sortFiles(
  files: Files,
  images: string,
  manifest: Manifest | undefined,
): { known: KnownFile[]; foreign: string[] } {
  const named = new Set(manifest?.ghosts.map(({ image }) => image));
  const known: KnownFile[] = [];
  const foreign: string[] = [];
  for (const name of files.list(images).sort()) {
    const { mode, size } = files.statPath(`${images}/${name}`);
    // CRIU's link to the directory with earlier memory pages.
    const isParent = name === 'parent' && isSymbolicLink(mode);
    const isOurs = isRegular(mode) && (named.has(name) || isKnown(files, images, name));
    if (isParent || isOurs) known.push({ name, size });
    else foreign.push(name);
  }
  return { known, foreign };
}

function isKnown(files: Files, images: string, name: string): boolean {
  const image = name.replace(/\.img\.(lost|earlier)$/, '.img');
  if (isSealedOwnName(image) || beside.has(name) || rawImage.test(image)) return true;
  return image.endsWith('.img') && isImage(files, `${images}/${name}`);
}

function isImage(files: Files, path: string): boolean {
  try {
    return beginsAsImage(files.readStart(path, 8));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

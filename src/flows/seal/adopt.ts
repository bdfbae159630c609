import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { reasonOf } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import type { Files } from '../../base/host/host.js';
import { pathToText } from '../../base/text/path-bytes.js';
import { countToJson, showDev, showTime } from '../../base/units.js';
import { decodeGhostHead, headBytes } from '../../criu/ghost-file.js';
import { ghostImageName } from '../../image/layout.js';
import type { Context } from '../context.js';

/**
 * Describes a ghost that CRIU has dumped itself, from the head of its image. @returns an empty list if there
 * is nothing to describe
 */
export function adopt(
  { host: { files }, log }: Context,
  images: string,
  id: number,
  name: { path: Buffer; mount: number },
): ManifestGhost[] {
  try {
    const ghost = describeAdopted(files, images, id, name);
    return ghost ? [ghost] : [];
  } catch (error) {
    // The record is only for information: CRIU itself reports a damaged image.
    log.warn(`cannot list ${ghostImageName(id)}, which CRIU wrote: ${reasonOf(error)}`);
    return [];
  }
}

/**
 * Undefined for all but regular files, because only they have content.
 * @throws CRIU_IMAGE_INVALID where the head of the image is damaged; ENOENT
 */
export function describeAdopted(
  files: Files,
  images: string,
  id: number,
  name: { path: Buffer; mount: number },
): ManifestGhost | undefined {
  const image = ghostImageName(id);
  const path = `${images}/${image}`;
  const head = decodeGhostHead(files.readStart(path, headBytes), files.statPath(path).size, image);
  if (!isRegular(head.mode)) return undefined;
  return {
    class: 'unlinked',
    ...pathToText(name.path),
    dev: showDev(head.dev),
    ino: countToJson(head.ino),
    size: countToJson(head.size),
    allocated: 0,
    nlink: 0,
    filesystem: 'unknown',
    mounts: [name.mount],
    key: [],
    holders: [],
    id,
    image,
    mode: head.mode,
    uid: head.uid,
    gid: head.gid,
    physicalDev: showDev(head.dev),
    atime: showTime(head.atimeNs),
    mtime: showTime(head.mtimeNs),
    paths: [],
    xattrs: {},
    adopted: true,
  };
}

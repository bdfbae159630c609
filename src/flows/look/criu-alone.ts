/** A checkpoint that was made without ghostkeep: its ghosts are those that CRIU has dumped itself. */
import { bounds } from '../../base/bounds.js';
import type { Manifest, ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError } from '../../base/errors.js';
import type { Files } from '../../base/host/host.js';
import type { Progress } from '../../base/progress.js';
import { planSeal } from '../../criu/seal-plan.js';
import { folder, ghostImageName, manifestName } from '../../image/layout.js';
import { readManifest } from '../../image/manifest.js';
import { describeAdopted } from '../seal/adopt.js';

/** Stands in `tool` for ghostkeep's name and version where there is no manifest. */
export const criuAlone = 'CRIU alone';

/**
 * The manifest; for a checkpoint without one, what CRIU's own images say.
 * @throws MANIFEST_MISSING where it is no checkpoint at all; CRIU_IMAGE_INVALID
 */
export function readAnyManifest(files: Files, images: string, progress?: Progress): Manifest {
  const isCriuAlone =
    !files.exists(`${images}/${manifestName}`) &&
    !files.exists(`${images}/${folder}`) &&
    files.exists(`${images}/inventory.img`);
  return isCriuAlone ? describeCriuAlone(files, images, progress) : readManifest(files, images);
}

export function describeCriuAlone(files: Files, images: string, progress?: Progress): Manifest {
  const filesImage = files.read(`${images}/files.img`, bounds.files);
  const remaps = files.readIfThere(`${images}/remap-fpath.img`, bounds.remaps);
  const { adopted, tooManyAdopted } = planSeal(filesImage, remaps, [], { mountNamespace: true });
  if (tooManyAdopted > 0)
    throw new GhostkeepError(
      'CRIU_IMAGE_INVALID',
      'remap-fpath.img',
      `cannot list the ghosts of ${files.realPath(images)}: there are ${tooManyAdopted}, which are too many`,
    );
  progress?.begin({ what: 'reading the images of ghosts', item: 'ghost', items: adopted.size });
  const { mtimeNs } = files.statPath(`${images}/inventory.img`);
  return {
    format: 'ghostkeep',
    version: 1,
    tool: criuAlone,
    state: 'sealed',
    created: new Date(Number(mtimeNs / 1_000_000n)).toISOString(),
    mountNamespace: true,
    criu: true,
    ghosts: [...adopted].flatMap(([id, name]) => {
      progress?.did();
      return describe(files, images, id, name);
    }),
  };
}

function describe(
  files: Files,
  images: string,
  id: number,
  name: { path: Buffer; mount: number },
): ManifestGhost[] {
  try {
    const ghost = describeAdopted(files, images, id, name);
    return ghost ? [ghost] : [];
  } catch (error) {
    const image = ghostImageName(id);
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new GhostkeepError(
      'IMAGE_MISSING',
      image,
      `${image} is missing: remap-fpath.img refers to it, for ${name.path.toString('utf8')}`,
    );
  }
}

/**
 * Names inside an image directory. A sealed one has regular files only, ours beside CRIU's: containerd's CRI
 * unpacks the directory file by file and makes no folders (decision 0012). The working folder `ghostkeep/` is
 * there while a dump is not sealed.
 */
export const folder = 'ghostkeep';
export const manifestName = 'ghostkeep-manifest.json';
/** Versions before the flat directory wrote the manifest here: such a dump is refused, not read. */
export const oldManifestName = `${folder}/manifest.json`;
export const journalName = `${folder}/journal.json`;
/** While sealing: the id that the first ghost was given. */
export const firstIdName = `${folder}/first-id`;
export const reserveName = `${folder}/reserve`;

/**
 * Until CRIU has given out its own ids, a ghost's image has a name of its own: this one, or that of its warm
 * image.
 */
export function pendingName(index: number): string {
  return `${folder}/pending-${index.toString(16)}.img`;
}

/**
 * Copied while the container still ran, and not believed before it was compared.
 * @param pass tells it from those of another CRIU that was given up in the same directory and still copies
 */
export function warmName(pass: string, index: number): string {
  return `${folder}/warm-${pass}-${index.toString(16)}.img`;
}

/** Content of a linked ghost until it is sealed: CRIU never reads it, so it waits for no id of CRIU's. */
export function linkedName(index: number): string {
  return `${folder}/linked-${index.toString(16)}.img`;
}

/** Source: CRIU image-desc.c, `ghost-file-%x.img`. */
export function ghostImageName(id: number): string {
  return `ghost-file-${id.toString(16)}.img`;
}

export const isGhostImageName = (name: string) => /^ghost-file-[0-9a-f]+\.img$/.test(name);

const linkedPattern = /^ghostkeep\/(linked-[0-9a-f]+\.img)$/;

/** An image that has its name only until the dump is sealed. */
export const isPendingName = (name: string) =>
  linkedPattern.test(name) || /^ghostkeep\/(pending|warm-[0-9a-f]{12})-[0-9a-f]+\.img$/.test(name);

/** The name that a pending image gets when the dump is sealed. @param id of its ghost */
export function sealedName(pending: string, id: number): string {
  const linked = linkedPattern.exec(pending)?.[1];
  return linked === undefined ? ghostImageName(id) : `ghostkeep-${linked}`;
}

/** Of an earlier dump in IMAGES, or what is left of one: the manifest, one half written, linked ghosts. */
export const isSealedOwnName = (name: string) =>
  /^ghostkeep-(manifest\.json(\.[0-9a-f]{12}\.tmp)?|linked-[0-9a-f]+\.img)$/.test(name);

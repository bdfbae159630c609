/** Names inside an image directory. Ghost images lie beside CRIU's, everything else of ours in ghostkeep/. */
export const folder = 'ghostkeep';
export const manifestName = `${folder}/manifest.json`;
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

/** Content of a linked ghost: CRIU never reads it, so it has no id of CRIU's. */
export function linkedName(index: number): string {
  return `${folder}/linked-${index.toString(16)}.img`;
}

/** Source: CRIU image-desc.c, `ghost-file-%x.img`. */
export function ghostImageName(id: number): string {
  return `ghost-file-${id.toString(16)}.img`;
}

export const isGhostImageName = (name: string) => /^ghost-file-[0-9a-f]+\.img$/.test(name);

export const isPendingName = (name: string) =>
  /^ghostkeep\/(pending|warm-[0-9a-f]{12})-[0-9a-f]+\.img$/.test(name);

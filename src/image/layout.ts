import type { Identity } from '../base/host/host.js';

/**
 * Names inside an image directory. A sealed directory has regular files only, ours beside CRIU's:
 * containerd's CRI unpacks it file by file and makes no folders (decision 0012). The working folder
 * `ghostkeep/` exists only while a dump is not sealed.
 */
export const folder = 'ghostkeep';
export const manifestName = 'ghostkeep-manifest.json';
/** Versions before the flat directory wrote the manifest here. Such a dump is refused and not read. */
export const oldManifestName = `${folder}/manifest.json`;
export const journalName = `${folder}/journal.json`;
/** Exists while sealing: the id that the first ghost was given. */
export const firstIdName = `${folder}/first-id`;
export const reserveName = `${folder}/reserve`;

/**
 * The name of a ghost's image until CRIU has given out its own ids. A ghost with a warm image keeps that
 * image's name instead.
 */
export function pendingName(index: number): string {
  return `${folder}/pending-${index.toString(16)}.img`;
}

/**
 * The name of an image that was copied while the container still ran. It is compared before it is used.
 * @param pass tells this CRIU's images from those of an earlier CRIU whose helper still copies into the same
 * directory
 */
export function warmName(pass: string, index: number): string {
  return `${folder}/warm-${pass}-${index.toString(16)}.img`;
}

/**
 * The name of a base: an image that a round has made while the container ran. The name tells the inode that
 * it is an image of: device, number and time of birth (0 where the file system has none), in hexadecimal.
 */
export const baseName = (file: Identity) => `${folder}/base-${identityOf(file)}.img`;

/** The name of a base until the disk has taken it. Nobody uses a file with this name. */
export const roughName = (file: Identity) => `${folder}/rough-${identityOf(file)}.img`;

/**
 * The time of birth is the one that stat gives. birthOf would give none as long as the file has not changed
 * since its birth, and then the name would change with the first change of the file.
 */
export function identityOf({ dev, ino, birthtimeNs }: Identity): string {
  return [dev, ino, BigInt.asUintN(64, birthtimeNs)].map(part => part.toString(16)).join('-');
}

export const isRoughName = (name: string) => name.startsWith(`${folder}/rough-`) && isBaseName(name);

/** True for the name of a base and for a rough one. */
export const isBaseName = (name: string) => /^ghostkeep\/(base|rough)(-[0-9a-f]{1,16}){3}\.img$/.test(name);

/**
 * The content of a linked ghost until the dump is sealed. CRIU never reads it, so it needs no id from CRIU.
 */
export function linkedName(index: number): string {
  return `${folder}/linked-${index.toString(16)}.img`;
}

/** Source: CRIU image-desc.c, `ghost-file-%x.img`. */
export function ghostImageName(id: number): string {
  return `ghost-file-${id.toString(16)}.img`;
}

export const isGhostImageName = (name: string) => /^ghost-file-[0-9a-f]+\.img$/.test(name);

const linkedPattern = /^ghostkeep\/(linked-[0-9a-f]+\.img)$/;

/** True for an image that has this name only until the dump is sealed. */
export const isPendingName = (name: string) =>
  linkedPattern.test(name) || /^ghostkeep\/(pending|warm-[0-9a-f]{12})-[0-9a-f]+\.img$/.test(name);

/** The name that a pending image gets when the dump is sealed. @param id of the image's ghost */
export function sealedName(pending: string, id: number): string {
  const linked = linkedPattern.exec(pending)?.[1];
  return linked === undefined ? ghostImageName(id) : `ghostkeep-${linked}`;
}

/** The file that lists the packed directories which need this one. */
export const childrenName = 'ghostkeep-children.json';

/** The two files that stand for the image of a packed ghost. */
export const layerNames = (id: number) => layerNamesFrom(`ghostkeep-layer-${id.toString(16)}`);

/**
 * The names of a ghost's new layer, which takes the place of the layer with the map MAP. For a while both
 * layers are there.
 */
export const nextLayerNames = (id: number, map: string) =>
  map === layerNames(id).map ? layerNamesFrom(`ghostkeep-layer-${id.toString(16)}-2`) : layerNames(id);

const layerNamesFrom = (stem: string) => ({ map: `${stem}.map`, data: `${stem}.data` });

/**
 * The record of what the layer of a ghost has given up. A new record gets a name of its own, because the
 * manifest says which one counts.
 * @param which eight hexadecimal digits
 */
export const givenName = (id: number, which: string) => `ghostkeep-layer-${id.toString(16)}-${which}.given`;

/** The name of an image that is put together from layers, until all of it is on the disk. */
export const wholeName = (id: number) => `ghostkeep-whole-${id.toString(16)}.img`;

export const isLayerName = (name: string) =>
  /^ghostkeep-layer-[0-9a-f]+((-2)?\.(map|data)|-[0-9a-f]{8}\.given)$/.test(name);
/** True for a document that its writer had not renamed yet when the writer was killed. */
export const isHalfWritten = (name: string) =>
  /^ghostkeep-(manifest|children)\.json\.[0-9a-f]{12}\.tmp$/.test(name);
export const isWholeName = (name: string) => /^ghostkeep-whole-[0-9a-f]+\.img$/.test(name);

/**
 * Files of ours that a dump leaves in IMAGES: manifest and children, also half-written ones, linked ghosts,
 * and what `pack` and `materialize` make.
 */
export const isSealedOwnName = (name: string) =>
  isLayerName(name) ||
  isWholeName(name) ||
  isHalfWritten(name) ||
  /^ghostkeep-((manifest|children)\.json|linked-[0-9a-f]+\.img)$/.test(name);

/** Names at a receiver of ghosts from another host, while nothing is sealed (src/move/PROTOCOL.md). */
export const receiverName = `${folder}/receiver.json`;
/** The content of a moved ghost, at its own offsets. */
export const movedName = (key: string) => `${folder}/moved-${key}.data`;
/** The table says for each block whether it is known, and its digest. */
export const movedTableName = (key: string) => `${folder}/moved-${key}.table`;
/** The key of a ghost, from the name of either file. */
export const movedKey = (name: string) => /^moved-([0-9a-f-]+)\.(?:data|table)$/.exec(name)?.[1];
/** The files of the checkpoint, with the names that they get when it is sealed. */
export const arrivedFolder = `${folder}/arrived`;
/**
 * A file of the checkpoint has this name until its end has come. The next name is that of a table until the
 * table is complete, and of an image until the disk has it.
 */
export const incomingName = `${folder}/incoming`;
export const makingName = (index: number | string) => `${folder}/making-${index}`;
export const isMakingName = (name: string) => name.startsWith(`${folder}/making-`);
/** This file exists once everything has arrived and was checked, and files have only to get their names. */
export const placingName = `${folder}/placing`;

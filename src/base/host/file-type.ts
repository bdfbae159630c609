/** File types of st_mode. Source: inode(7). */
const typeMask = 0o170000;
const regular = 0o100000;
const directory = 0o040000;
const blockDevice = 0o060000;
const symbolicLink = 0o120000;
const socket = 0o140000;

// A Map, not an object, because Biome rewrites octal keys and gets them wrong.
const names = new Map([
  [0o010000, 'a FIFO'],
  [0o020000, 'a character device'],
  [0o040000, 'a directory'],
  [0o060000, 'a block device'],
  [0o100000, 'a regular file'],
  [0o120000, 'a symbolic link'],
]);

export function isRegular(mode: number): boolean {
  return (mode & typeMask) === regular;
}

/** The content of a symbolic link is its target. All types but these two have no content. */
export function hasContent(mode: number): boolean {
  return isRegular(mode) || isSymbolicLink(mode);
}

export function isSymbolicLink(mode: number): boolean {
  return (mode & typeMask) === symbolicLink;
}

export function isBlockDevice(mode: number): boolean {
  return (mode & typeMask) === blockDevice;
}

export function isDirectory(mode: number): boolean {
  return (mode & typeMask) === directory;
}

export function isSocket(mode: number): boolean {
  return (mode & typeMask) === socket;
}

/**
 * Names of the types that CRIU keeps as files with a path. Undefined for sockets, pipes and anonymous inodes.
 */
export function kindName(mode: number): string | undefined {
  return names.get(mode & typeMask);
}

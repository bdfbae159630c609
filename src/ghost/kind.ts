/** File types of st_mode. Source: inode(7). */
const typeMask = 0o170000;
const regular = 0o100000;

const names: Record<number, string> = {
  2401: 'a FIFO',
  4802: 'a character device',
  9604: 'a directory',
  14406: 'a block device',
  16807: 'a regular file',
  21609: 'a symbolic link',
};

export function isRegular(mode: number): boolean {
  return (mode & typeMask) === regular;
}

/** Types that CRIU keeps as files with a path; sockets, pipes' and anonymous inodes' types are not among them. */
export function kindName(mode: number): string | undefined {
  return names[mode & typeMask];
}

import type { FileMap } from '../../base/host/host.js';

/**
 * The lines of /proc/PID/maps that have a file. The label of a line is the file's device, inode and path,
 * which tell files apart. A program maps its libraries in many pieces: one piece is enough to find a ghost,
 * but all pieces of a ghost are listed as its holders. Source: proc_pid_maps(5): address perms offset dev
 * inode pathname
 */
export function parseMaps(bytes: Buffer): FileMap[] {
  const maps: FileMap[] = [];
  for (const line of bytes.toString('latin1').split('\n')) {
    const match = /^([0-9a-f]+-[0-9a-f]+) (.)(.)(.)(.) [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) ([0-9]+) *(.*)$/s.exec(
      line,
    );
    // The first segment of SysV shared memory also has inode 0, but it has a path.
    if (!match || (match[7] === '0' && !match[8]?.startsWith('/'))) continue;
    maps.push({
      address: stripZeroes(match[1] as string),
      writable: match[3] === 'w',
      shared: match[5] === 's',
      label: `${match[6]} ${match[7]} ${match[8]}`,
    });
  }
  return maps;
}

/**
 * Gives only the lines of shared mappings that a process can write through now. The caller reads the maps of
 * all processes, so all other lines are skipped before anything else is done.
 */
export function parseWritableShared(bytes: Buffer): FileMap[] {
  const lines = bytes
    .toString('latin1')
    .split('\n')
    .filter(line => /^\S+ .w.s /.test(line));
  return lines.length === 0 ? [] : parseMaps(Buffer.from(lines.join('\n'), 'latin1'));
}

/**
 * /proc/PID/maps pads addresses to 8 digits, and the names in map_files are not padded. Source:
 * fs/proc/base.c, where names are %lx-%lx.
 */
function stripZeroes(address: string): string {
  return address
    .split('-')
    .map(part => part.replace(/^0+(?=.)/, ''))
    .join('-');
}

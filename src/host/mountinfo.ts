import type { Mount } from '../base/host.js';
import { unescapeOctal } from '../base/octal.js';
import { makeDev } from '../base/units.js';
import { branchesOf } from './aufs.js';

/**
 * Parse /proc/PID/mountinfo. Lines that cannot be read are skipped: a mount we do not know is a mount whose
 * ghosts we leave alone.
 * Source: proc_pid_mountinfo(5): id parent major:minor root mount-point options optional… - type source options
 */
export function parseMountinfo(bytes: Buffer, readBranches?: (folder: string) => string[]): Mount[] {
  const mounts: Mount[] = [];
  // latin1 keeps every byte of a path as one character.
  for (const line of bytes.toString('latin1').split('\n')) {
    const [left, right] = line.split(' - ', 2);
    const fields = left?.split(' ') ?? [];
    const [id, parent, dev, , mountPoint, options] = fields;
    const [, major, minor] = /^([0-9]+):([0-9]+)$/.exec(dev ?? '') ?? [];
    if (!right || !options || mountPoint === undefined || major === undefined || minor === undefined)
      continue;
    const [filesystem = '', , superOptions = ''] = right.split(' ');
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      dev: makeDev(BigInt(major), BigInt(minor)),
      mountPoint: Buffer.from(unescapeOctal(mountPoint), 'latin1'),
      filesystem,
      readOnly: options.split(',').includes('ro'),
      ...(filesystem === 'aufs' ? { branches: branchesOf(unescapeOctal(superOptions), readBranches) } : {}),
    });
  }
  return mounts;
}

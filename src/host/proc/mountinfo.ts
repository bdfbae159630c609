import fs from 'node:fs';
import type { Mount } from '../../base/host/host.js';
import { unescapeOctal } from '../../base/text/octal.js';
import { makeDev } from '../../base/units.js';
import { branchesOf } from './aufs.js';

/**
 * Parse /proc/PID/mountinfo. Lines that cannot be parsed are skipped: a dump with CRIU leaves the ghosts of a
 * mount that we do not know to CRIU, which refuses them.
 * Source: proc_pid_mountinfo(5): id parent major:minor root mount-point options optional… - type source
 * options
 */
export function parseMountinfo(bytes: Buffer, readBranches?: (folder: string) => string[]): Mount[] {
  const mounts: Mount[] = [];
  // latin1 keeps every byte of a path as one character.
  for (const line of bytes.toString('latin1').split('\n')) {
    const [left, right] = line.split(' - ', 2);
    const fields = left?.split(' ') ?? [];
    const [id, parent, dev, root = '', mountPoint, options] = fields;
    const [, major, minor] = /^([0-9]+):([0-9]+)$/.exec(dev ?? '') ?? [];
    if (!right || !options || mountPoint === undefined || major === undefined || minor === undefined)
      continue;
    const [filesystem = '', , superOptions = ''] = right.split(' ');
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      dev: makeDev(BigInt(major), BigInt(minor)),
      ...rootOf(root),
      mountPoint: toPath(mountPoint),
      filesystem,
      readOnly: options.split(',').includes('ro'),
      ...(filesystem === 'overlay' ? { ...upperOf(superOptions), layerOptions: superOptions } : {}),
      ...(filesystem === 'aufs' ? { branches: branchesOf(unescapeOctal(superOptions), readBranches) } : {}),
    });
  }
  return mounts;
}

/**
 * The root of a mount ends like this where the mounted folder or file was removed, also by a rename over it.
 * No name has two slashes in it, so only the kernel can have written this. Source: fs/d_path.c, dentry_path.
 */
const gone = '//deleted';

function rootOf(field: string): Pick<Mount, 'root' | 'rootGone'> {
  if (!field.endsWith(gone)) return { root: toPath(field) };
  return { root: toPath(field.slice(0, -gone.length)), rootGone: true };
}

/** Source: fs/overlayfs/params.c, ovl_show_options. A comma in a name is escaped. */
function upperOf(options: string): Pick<Mount, 'upper'> {
  const [, upper] = /(?:^|,)upperdir=([^,]*)/.exec(options) ?? [];
  return upper === undefined ? {} : { upper: toPath(upper) };
}

/**
 * All folders that an overlay shows, by the paths of the process that mounted it. They are parsed only on
 * request, as there may be hundreds. Source: as upperOf; a colon in a name of lowerdir has a backslash before
 * it.
 */
export function layersOf({ layerOptions = '' }: Mount): Buffer[] {
  return layerOptions.split(',').flatMap(option => {
    const [, name, value = ''] = /^(lowerdir\+?|datadir\+|upperdir)=(.*)$/s.exec(option) ?? [];
    if (name !== 'lowerdir') return name === undefined ? [] : [toPath(value)];
    const text = unescapeOctal(value);
    return [...text.matchAll(/(?:\\.|[^\\:])+/gs)].map(([layer]) =>
      Buffer.from(layer.replace(/\\(.)/gs, '$1'), 'latin1'),
    );
  });
}

function toPath(field: string): Buffer {
  return Buffer.from(unescapeOctal(field), 'latin1');
}

/**
 * The option of the mount of /proc that hides processes of other users from us; undefined if we see process
 * 1: then the option does not hold for us, because we are root or in the group that `gid=` names.
 * @param mountinfo of our own process. Source: proc(5), Mount options
 */
export function hidingOption(
  mountinfo: string,
  seesFirst = () => fs.existsSync('/proc/1'),
): string | undefined {
  const lines = mountinfo.split('\n').filter(line => line.split(' ')[4] === '/proc');
  const [option] = /\bhidepid=(2|4|invisible|ptraceable)\b/.exec(lines.at(-1) ?? '') ?? [];
  return option === undefined || seesFirst() ? undefined : option;
}

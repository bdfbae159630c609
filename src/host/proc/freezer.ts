import fs from 'node:fs';

/** Mount points of the cgroup v2 hierarchy: alone, or beside those of version 1. */
const unified = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];

/**
 * Is the cgroup of a process frozen, for example by `runc pause`?
 * @param text of its /proc/PID/cgroup. Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst,
 * cgroup.events; cgroup-v1/freezer-subsystem.rst
 */
export function isFrozen(text: string, read = readIfThere): boolean {
  return text
    .trim()
    .split('\n')
    .some(line => {
      const [hierarchy, controllers, ...rest] = line.split(':');
      const path = rest.join(':');
      if (hierarchy === '0')
        return unified.some(root => /^frozen 1$/m.test(read(`${root}${path}/cgroup.events`)));
      if (!controllers?.split(',').includes('freezer')) return false;
      return read(`/sys/fs/cgroup/freezer${path}/freezer.state`).trim() === 'FROZEN';
    });
}

function readIfThere(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

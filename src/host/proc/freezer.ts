import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../base/errors.js';
import type { Freezer, FreezerCgroup } from '../../base/host/host.js';

/**
 * The mount point of the cgroup v2 hierarchy: the first where version 2 is alone, the second where it is
 * beside version 1.
 */
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

const gone = new Set(['ENOENT', 'ENODEV', 'ESRCH']);

export class LinuxFreezer implements Freezer {
  /** Where both versions are mounted, the freezer may belong to version 1. */
  cgroupOf(pid: number): FreezerCgroup | undefined {
    const lines = fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
    const found = lines.flatMap((line): FreezerCgroup[] => {
      const [hierarchy, controllers = '', ...rest] = line.split(':');
      const path = rest.join(':');
      const isFirst = controllers.split(',').includes('freezer');
      const roots = isFirst ? ['/sys/fs/cgroup/freezer'] : hierarchy === '0' ? unified : [];
      const control = isFirst ? 'freezer.state' : 'cgroup.freeze';
      return path === '/' ? [] : roots.map(root => ({ control, root, path }));
    });
    return found.find(cgroup => fs.existsSync(controlOf(cgroup)));
  }

  members(cgroup: FreezerCgroup): number[] {
    const folder = `${cgroup.root}${cgroup.path}`;
    const own = fs.readFileSync(`${folder}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);
    const below = fs.readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory());
    return [
      ...own,
      ...below.flatMap(({ name }) => this.members({ ...cgroup, path: `${cgroup.path}/${name}` })),
    ];
  }

  freeze(cgroup: FreezerCgroup): void {
    const word = cgroup.control === 'cgroup.freeze' ? '1' : 'FROZEN';
    fs.writeFileSync(controlOf(cgroup), word, { flag: 'r+' });
  }

  thaw(cgroup: FreezerCgroup): void {
    const word = cgroup.control === 'cgroup.freeze' ? '0' : 'THAWED';
    try {
      fs.writeFileSync(controlOf(cgroup), word, { flag: 'r+' });
    } catch (error) {
      if (!gone.has(errnoOf(error) ?? '')) throw error;
    }
  }

  isFrozen({ control, root, path }: FreezerCgroup): boolean {
    if (control === 'cgroup.freeze') return /^frozen 1$/m.test(readIfThere(`${root}${path}/cgroup.events`));
    return readIfThere(`${root}${path}/freezer.state`).trim() === 'FROZEN';
  }

  signal(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    try {
      process.kill(pid, signal);
    } catch (error) {
      // If we may not let a process go on, we could not stop it before, either. The error must not keep us
      // from the other processes.
      const isNotOurs = signal === 'SIGCONT' && errnoOf(error) === 'EPERM';
      if (errnoOf(error) !== 'ESRCH' && !isNotOurs) throw error;
    }
  }

  async wait(ms: number): Promise<void> {
    await sleep(ms);
  }
}

const controlOf = ({ control, root, path }: FreezerCgroup) => `${root}${path}/${control}`;

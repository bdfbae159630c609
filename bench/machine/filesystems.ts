/**
 * ext4, xfs and btrfs on loop devices with direct I/O, and tmpfs. They are made for one run and removed after
 * it.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { missing } from './missing.js';

export const filesystemNames = ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const;
export type FilesystemName = (typeof filesystemNames)[number];

export interface Filesystem {
  name: FilesystemName;
  folder: string;
  /**
   * False when the loop device's file lies where direct I/O is not possible. Its content is then cached
   * twice.
   */
  direct: boolean;
}

const sizeBytes = 24 * 2 ** 30;
const mkfs: Record<string, string[]> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  xfs: ['mkfs.xfs', '-q', '-f', '-m', 'reflink=1'],
  btrfs: ['mkfs.btrfs', '-q', '-f'],
};

/**
 * Mounts in the bench's own mount namespace, so the mount ends with the namespace's last process, however
 * that ends. The device goes with its mount (autoclear), and the file below it has no name.
 * @returns undefined when the file system's programs are not installed, which is reported
 */
export function makeFilesystem(name: FilesystemName, scratch: string): Filesystem | undefined {
  const folder = path.join(scratch, name);
  fs.mkdirSync(folder);
  if (name === 'tmpfs') {
    run('mount', ['-t', 'tmpfs', '-o', 'size=75%', 'ghostkeep-bench', folder]);
    return { name, folder, direct: true };
  }
  const [program, ...options] = mkfs[name] as [string, ...string[]];
  const file = path.join(scratch, `${name}.disk`);
  fs.writeFileSync(file, '', { mode: 0o600 });
  fs.truncateSync(file, sizeBytes);
  try {
    run(program, [...options, file]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    missing(name, `${program} is not installed`);
    return undefined;
  }
  const { device, direct } = attach(file);
  fs.unlinkSync(file);
  run('mount', [device, folder]);
  run('losetup', ['--detach', device]);
  return { name, folder, direct };
}

export function removeFilesystem({ folder }: Filesystem): void {
  run('umount', [folder]);
  fs.rmdirSync(folder);
}

function attach(file: string): { device: string; direct: boolean } {
  try {
    return { device: run('losetup', ['--direct-io=on', '--show', '--find', file]).trim(), direct: true };
  } catch {
    missing(path.basename(file), 'direct I/O is not possible below it, so its content is cached twice');
    return { device: run('losetup', ['--show', '--find', file]).trim(), direct: false };
  }
}

function run(program: string, args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
}

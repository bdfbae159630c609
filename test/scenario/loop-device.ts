/** Real file systems for tests, on loop devices of sparse files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from './ghostkeep.js';

const build = path.join(path.dirname(program), '../build');

export type LoopFilesystem = 'ext4' | 'xfs' | 'btrfs';

const makers: Record<LoopFilesystem, readonly string[]> = {
  ext4: ['mke2fs', '-q', '-F', '-t', 'ext4'],
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  btrfs: ['mkfs.btrfs', '-q'],
};

export function run(program_: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program_, args, { encoding: 'utf8', timeout: 300_000 });
  assert.equal(status, 0, `${program_} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Makes a sparse file with an empty file system. @returns its name */
export function makeFilesystem(disk: string, filesystem: LoopFilesystem, size: string): string {
  const [maker, ...options] = makers[filesystem] as [string, ...string[]];
  run('truncate', '-s', size, disk);
  run(maker, ...options, disk);
  return disk;
}

/**
 * @param below the folder that gets the file behind the device; /dev/shm where the test does not need a disk,
 * for which it would have to wait
 * @returns the mount point. It is unmounted when the test ends
 */
export function onLoopDevice(
  t: TestContext,
  filesystem: LoopFilesystem,
  size = '512M',
  below = build,
): string {
  const folder = fs.mkdtempSync(path.join(below, 'mount-'));
  const disk = makeFilesystem(`${folder}.disk`, filesystem, size);
  run('mount', '-o', 'loop', disk, folder);
  fs.rmSync(disk);
  t.after(async () => {
    await unmount(folder);
    fs.rmdirSync(folder);
  });
  return folder;
}

/** A test that looks at all processes of the machine may have a file of ours open for a moment. */
export async function unmount(folder: string): Promise<void> {
  const tries = () => spawnSync('umount', [folder], { encoding: 'utf8' });
  for (let left = 100; tries().status !== 0 && left > 0; left -= 1) {
    assert.ok(left > 1, `${folder} stays mounted`);
    await sleep(100);
  }
}

/** A file system that punches no holes. @returns the mount point. It is unmounted when the test ends */
export function onRamfs(t: TestContext): string {
  const folder = fs.mkdtempSync(path.join(build, 'mount-'));
  run('mount', '-t', 'ramfs', 'ramfs', folder);
  t.after(async () => {
    await unmount(folder);
    fs.rmdirSync(folder);
  });
  return folder;
}

/** Bytes that a file system has in use, once it has written everything and freed what it can. */
export function usedBytes(folder: string): number {
  run('sync', '-f', folder);
  const { blocks, bfree, bsize } = fs.statfsSync(folder);
  return (blocks - bfree) * bsize;
}

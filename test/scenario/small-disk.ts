import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { isRoot, needs } from './ghostkeep.js';

/** A file system of its own, SIZE large; undefined where none can be mounted. */
export function smallDisk(t: TestContext, size: string): string | undefined {
  if (!needs(t, isRoot, 'mounting a small tmpfs needs root')) return undefined;
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'gk-test', folder]).status === 0;
  t.after(() => {
    if (mounted) spawnSync('umount', [folder]);
    fs.rmdirSync(folder);
  });
  if (!needs(t, mounted, 'no tmpfs can be mounted here')) return undefined;
  return folder;
}

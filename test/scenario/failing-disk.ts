import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRoot, needs } from './ghostkeep.js';

/**
 * An ext4 of 400 MiB on a disk that has only 6 MiB: write(2) succeeds, and the disk fails to store the data.
 */
export function failingDisk(t: TestContext): string | undefined {
  if (!needs(t, isRoot, 'a loop device needs root')) return undefined;
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-failing-'));
  const [device, mounted] = [path.join(folder, 'device'), path.join(folder, 'mounted')];
  const run = (...words: [string, ...string[]]) => spawnSync(words[0], words.slice(1)).status === 0;
  t.after(async () => {
    run('umount', mounted);
    // The loop device lets its file go a moment after the unmount.
    for (let tries = 0; !run('umount', folder) && tries < 50; tries += 1) await sleep(100);
    fs.rmdirSync(folder);
  });
  const small = run('mount', '-t', 'tmpfs', '-o', 'size=6m', 'gk-test', folder);
  if (!needs(t, small, 'no tmpfs can be mounted here')) return undefined;
  fs.writeFileSync(device, '');
  fs.truncateSync(device, 400 << 20);
  fs.mkdirSync(mounted);
  const made =
    run('mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-N', '128', device) &&
    run('mount', '-o', 'loop', device, mounted);
  return needs(t, made, 'no ext4 on a loop device here') ? mounted : undefined;
}

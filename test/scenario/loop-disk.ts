import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { isRoot, needs } from './ghostkeep.js';
import { unmount } from './loop-device.js';

/** A file system in a file in memory, so that it is as fast as a disk can be; undefined where none can be made. */
export function loopDisk(t: TestContext, bytes: number, ...mkfs: [string, ...string[]]): string | undefined {
  if (!needs(t, isRoot, 'a loop device needs root')) return undefined;
  const folder = fs.mkdtempSync('/dev/shm/gk-loop-');
  const [device, mounted] = [path.join(folder, 'device'), path.join(folder, 'mounted')];
  const run = (program: string, ...words: string[]) => spawnSync(program, words).status === 0;
  let made = false;
  t.after(async () => {
    if (made) await unmount(mounted);
    fs.rmSync(folder, { recursive: true });
  });
  fs.writeFileSync(device, '');
  fs.truncateSync(device, bytes);
  fs.mkdirSync(mounted);
  const [program, ...words] = mkfs;
  made = run(program, ...words, device) && run('mount', '-o', 'loop', device, mounted);
  return needs(t, made, `no ${program} on a loop device here`) ? mounted : undefined;
}

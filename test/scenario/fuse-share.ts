/** fuse-share.c, mounted for as long as a test runs. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from './ghostkeep.js';

const source = path.join(path.dirname(program), '../test/scenario/fuse-share.c');

/** The folder that the server shows at a mount point; there nothing is refused. */
export const shownAt = (mountPoint: string): string => `${path.dirname(mountPoint)}/shown`;

/** @param refused as fuse-share.c takes it. @param onServer gets its pid. @returns the mount point */
export async function fuseShare(
  t: TestContext,
  refused: string,
  onServer = (_: number) => {},
): Promise<string> {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-share-'));
  const mountPoint = `${folder}/m`;
  for (const name of ['m', 'shown']) fs.mkdirSync(`${folder}/${name}`);
  build(`${folder}/server`);
  const before = fs.statSync(mountPoint).dev;
  const uncached = ['-o', 'attr_timeout=0,entry_timeout=0'];
  const server = spawn(
    `${folder}/server`,
    [`${folder}/shown`, refused, mountPoint, '-f', '-s', ...uncached],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  onServer(server.pid as number);
  t.after(() => {
    spawnSync('umount', ['--lazy', mountPoint]);
    server.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true, force: true });
  });
  while (fs.statSync(mountPoint).dev === before) {
    assert.equal(server.exitCode, null, 'the FUSE server ended before it had mounted');
    await sleep(5);
  }
  return mountPoint;
}

function build(to: string): void {
  const flags = spawnSync('pkg-config', ['--cflags', '--libs', 'fuse3'], { encoding: 'utf8' });
  assert.equal(flags.status, 0, `pkg-config does not find fuse3: ${flags.stderr}`);
  const args = ['-Wall', '-Wextra', '-Werror', '-o', to, source, ...flags.stdout.trim().split(/\s+/)];
  const built = spawnSync('cc', args, { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
}

/** fuse-memory.c, mounted on a folder for as long as a test runs. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from './ghostkeep.js';

const source = path.join(path.dirname(program), '../test/scenario/fuse-memory.c');

/** @param options libfuse's. @param environment the server's. @param onServer gets its pid. @returns the mount point */
export async function fuseMount(
  t: TestContext,
  options: string,
  environment = {},
  onServer = (_: number) => {},
): Promise<string> {
  // A temporaryFolder() would be removed too early: hooks run in the order in which they are made, and a
  // mount point cannot be removed.
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-'));
  const mountPoint = `${folder}/m`;
  fs.mkdirSync(mountPoint);
  build(`${folder}/fuse-memory`);
  const before = fs.statSync(mountPoint).dev;
  const server = spawn(`${folder}/fuse-memory`, [mountPoint, '-f', '-s', '-o', options], {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
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

/** Files that a process has open and that /proc/PID/fd does not show: CRIU and lsof +L1 do not see them. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { ghostkeep, program, temporaryFolder } from './ghostkeep.js';

const source = path.join(path.dirname(program), '../test/scenario/threads-apart.c');

async function holding(t: TestContext, how: 'own' | 'ended'): Promise<{ pid: string; folder: string }> {
  const folder = temporaryFolder(t);
  const built = spawnSync('cc', ['-pthread', '-o', `${folder}/threads-apart`, source], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  const child = spawn(`${folder}/threads-apart`, [how, `${folder}/file`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(() => assert.fail('it ended before it was ready'));
  ended.catch(() => {});
  await Promise.race([once(child.stdout, 'data'), ended]);
  return { pid: String(child.pid), folder };
}

describe('a ghost that only a thread holds', () => {
  for (const how of ['own', 'ended'] as const) {
    const what = how === 'own' ? 'by a table of descriptors of its own' : 'since the main thread has ended';
    it(`when only a thread holds a ghost, ${what}, the ghost is found, dumped and restored`, async t => {
      const { pid, folder } = await holding(t, how);
      const scan = JSON.parse(ghostkeep(['scan', '--pid', pid, '--json']).stdout) as Scan;
      const [found] = scan.ghosts.filter(ghost => ghost.path === `${folder}/file`);
      assert.ok(found?.holders.every(holder => holder.via === 'fd' && String(holder.pid) !== pid));
      assert.deepEqual(scan.unseen, []);

      const images = `${folder}/images`;
      const dumped = ghostkeep(['dump', '--pid', pid, '-D', images, '--json']);
      assert.equal(dumped.status, 0, dumped.stderr);
      const { ghosts } = JSON.parse(dumped.stdout) as Manifest;
      const own = ghosts.find(ghost => ghost.path === `${folder}/file`);
      assert.equal(ghostkeep(['restore', '-D', images, '--to', `${folder}/again`]).status, 0);
      assert.equal(fs.readFileSync(`${folder}/again/ghost-${own?.id}`, 'utf8'), 'ghost');
    });
  }
});

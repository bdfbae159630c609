/** Files of this machine whose path leads over a dead server, and overlays with a layer there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { type FuseServer, fuseServer, hold } from './fuse-server.js';
import { ghostkeep, needs } from './ghostkeep.js';

/** undefined if the program did not end. */
function scan(pid: number): Scan | undefined {
  const { status, stdout } = ghostkeep(['scan', '--pid', String(pid), '--json']);
  return status === 0 ? (JSON.parse(stdout) as Scan) : undefined;
}

/** Makes the files in FOLDER, which is removed with the mount. */
function mounted(t: TestContext, folder: string, ...words: string[]): boolean {
  const { status, stderr } = spawnSync('mount', words, { encoding: 'utf8' });
  t.after(() => {
    spawnSync('umount', ['-l', words.at(-1) as string]);
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return needs(t, status === 0, stderr);
}

const silent = ({ mount }: FuseServer) => `the server of ${mount} (fuse.server) does not answer`;

it('when the path of a local file leads over a dead server, other names of the file are not looked for', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  fs.mkdirSync(`${server.source}/inside`);
  const inside = `${server.mount}/inside`;
  if (!mounted(t, `${server.source}/inside`, '-t', 'tmpfs', 'tmpfs', inside)) return;
  // A file that has lost one name and kept another, and a ghost without any name.
  const linked = `exec 3>${inside}/opened; ln ${inside}/opened ${inside}/other; rm ${inside}/opened`;
  const pid = await hold(t, `${linked}; exec 4>${inside}/gone; rm ${inside}/gone`);
  assert.deepEqual(
    scan(pid)
      ?.ghosts.map(ghost => ghost.class)
      .sort(),
    ['linked', 'unlinked'],
  );
  server.stop();
  await sleep(1100);
  const found = scan(pid);
  assert.deepEqual(
    found?.ghosts.map(ghost => ghost.class),
    ['unlinked'],
  );
  assert.deepEqual(found?.unseen, [{ pid, what: 'fd 3', why: silent(server) }]);
});

it("when a lower layer of an overlay is on a dead server, the files of the overlay count as the server's", async t => {
  const server = await fuseServer(t);
  if (!server) return;
  fs.writeFileSync(`${server.source}/live`, 'live');
  const folder = fs.mkdtempSync(`${tmpdir()}/gk-over-`);
  for (const name of ['upper', 'work', 'over']) fs.mkdirSync(`${folder}/${name}`);
  const layers = `lowerdir=${server.mount},upperdir=${folder}/upper,workdir=${folder}/work`;
  const over = `${folder}/over`;
  if (!mounted(t, folder, '-t', 'overlay', 'overlay', '-o', layers, over)) return;
  const pid = await hold(t, `exec 3<${over}/live 4>${folder}/near; rm ${folder}/near`);
  assert.deepEqual(scan(pid)?.unseen, []);
  server.stop();
  await sleep(1100);
  const found = scan(pid);
  assert.equal(found?.ghosts.length, 1);
  const why = `the server of ${over} (overlay) does not answer`;
  assert.deepEqual(found?.unseen, [{ pid, what: 'fd 3', why }]);
});

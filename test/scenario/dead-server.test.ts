/** Files of a server that does not answer: nothing waits for it, and nothing else is left out. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { type FuseServer, fuseServer } from './fuse-server.js';
import { ghostkeep, sessionsFolder, temporaryFolder } from './ghostkeep.js';

/** A process that holds FAR of the server open as descriptor 3, and a ghost on this machine as 4. */
async function holder(t: TestContext, { source, mount }: FuseServer, far: string, size = 3): Promise<number> {
  const folder = temporaryFolder(t);
  fs.writeFileSync(`${source}/${far}`, Buffer.alloc(size, 'far'));
  const script = `exec 3<${mount}/${far} 4>${folder}/near; echo near >&4; rm ${folder}/near; echo ready; exec sleep 600`;
  const child = spawn('bash', ['-ec', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', reject);
  });
  return child.pid as number;
}

function scan(pid: number): Scan {
  const { status, stdout, stderr } = ghostkeep(['scan', '--pid', String(pid), '--json']);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Scan;
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1);
const names = ({ ghosts }: Scan) => ghosts.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));

describe('when a server does not answer', () => {
  it('scan names its mount and shows the rest', async t => {
    const server = await fuseServer(t);
    if (!server) return;
    const pid = await holder(t, server, 'live');
    assert.deepEqual([names(scan(pid)), scan(pid).unseen], [['near'], []]);
    server.stop();
    // The kernel believes attributes for a second.
    await sleep(1100);
    const found = scan(pid);
    assert.deepEqual(names(found), ['near']);
    assert.deepEqual(found.unseen, [
      { pid, what: 'fd 3', why: `the server of ${server.mount} (fuse.server) does not answer` },
    ]);
  });

  it('dump keeps what is on this machine, and says what it has not seen', async t => {
    const server = await fuseServer(t);
    if (!server) return;
    const pid = await holder(t, server, 'live');
    server.stop();
    await sleep(1100);
    const images = `${temporaryFolder(t)}/images`;
    const { status, stderr } = ghostkeep(['dump', '--pid', String(pid), '-D', images]);
    assert.equal(status, 0, stderr);
    assert.match(
      stderr,
      /warning: cannot look at fd 3 of process \d+: the server of \S+ \(fuse\.server\) does not answer/,
    );
    assert.ok(fs.existsSync(`${images}/ghost-file-1.img`));
  });

  it('a file that was silly-renamed or removed there fails a dump, since nobody else would keep it', async t => {
    const server = await fuseServer(t);
    if (!server) return;
    const pid = await holder(t, server, `.nfs${'0'.repeat(24)}`);
    server.stop();
    await sleep(1100);
    const { status, stderr } = ghostkeep([
      'dump',
      '--pid',
      String(pid),
      '-D',
      `${temporaryFolder(t)}/images`,
    ]);
    assert.equal(status, 1);
    assert.match(stderr, /fd 3 of process \d+: the server of .* does not answer.* \[GHOST_UNREADABLE\]\n$/);
  });
});

describe('when a server dies after it has answered', () => {
  for (const [last, what] of [
    ['statfs', 'the ghost cannot be opened'],
    ['read', 'the ghost cannot be read to its end'],
  ] as const)
    it(`and ${what}, dump ends by a deadline and leaves nothing half`, async t => {
      const server = await fuseServer(t, last);
      if (!server) return;
      const hidden = '.fuse_hidden0000000200000001';
      const pid = await holder(t, server, hidden, 4 << 20);
      // A file is opened and closed, so that the kernel has learnt that the server has no flush: that could not
      // be interrupted.
      fs.closeSync(fs.openSync(`${server.mount}/${hidden}`, 'r'));
      const images = `${temporaryFolder(t)}/images`;
      const { status, stderr } = ghostkeep(['dump', '--pid', String(pid), '-D', images], { waitMs: 60_000 });
      const why = `cannot dump ghosts of ${server.mount} (fuse.server) into ${images}: nothing moved for 30 s`;
      const wayOut = 'nothing is dumped; if its server does not answer, dump again when it is back,';
      const rest = 'or with --allow-missing, which leaves out what a silent server has';
      assert.deepEqual([status, lastLine(stderr)], [1, `ghostkeep: ${why}; ${wayOut} ${rest} [DEADLINE]`]);
      assert.deepEqual(fs.readdirSync(images), []);
      // The way out.
      const again = ghostkeep(['dump', '--pid', String(pid), '-D', images, '--allow-missing']);
      assert.equal(again.status, 1);
      assert.match(again.stderr, /\[GHOST_LEFT_OUT\]\n$/);
      assert.ok(fs.existsSync(`${images}/ghost-file-1.img`));
    });
});

it('when the last name is removed at the server, the file is not taken for one that was closed', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  const pid = await holder(t, server, 'far');
  fs.rmSync(`${server.source}/far`);
  await sleep(1100);
  const found = scan(pid);
  assert.deepEqual(names(found), ['near']);
  assert.deepEqual(
    found.unseen.map(({ what }) => what),
    ['fd 3'],
  );
  const { status, stderr } = ghostkeep(['dump', '--pid', String(pid), '-D', `${temporaryFolder(t)}/images`]);
  assert.equal(status, 1);
  assert.match(stderr, /cannot look at fd 3 of process \d+: ENOENT: .* \[GHOST_UNREADABLE\]\n$/);
});

/** Its deadline is 25 s: less than the 30 s after which a runtime would end it, without a reason. */
it('when the images lie there, a hook ends by its own deadline', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  const id = `gk-test-dead-${process.pid}`;
  const record = `${sessionsFolder}/${id}.json`;
  t.after(() => fs.rmSync(record, { force: true }));
  const annotations = { 'io.ghostkeep.enabled': 'true' };
  const state = { ociVersion: '1.2.0', id, status: 'created', pid: process.pid, bundle: '/', annotations };
  const created = ghostkeep(['hook', 'prestart'], { input: JSON.stringify(state) });
  assert.equal(created.status, 0, created.stderr);
  const session = JSON.parse(fs.readFileSync(record, 'utf8'));
  fs.writeFileSync(record, JSON.stringify({ ...session, images: `${server.mount}/images` }));
  server.stop();
  const { status, stderr } = ghostkeep(['hook', 'poststop'], {
    input: JSON.stringify({ ...state, status: 'stopped' }),
    waitMs: 60_000,
  });
  assert.deepEqual(
    [status, stderr],
    [1, 'ghostkeep: cannot finish hook poststop: nothing moved for 25 s [DEADLINE]\n'],
  );
});

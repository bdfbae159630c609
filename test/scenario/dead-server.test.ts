/** Files of a server that does not answer: no command waits for the server, and no other file is left out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { farHolder, fuseServer, hold, listener } from './fuse-server.js';
import { Gate } from './gate.js';
import { ghostkeep, sessionsFolder, temporaryFolder } from './ghostkeep.js';

function scan(pid: number): Scan {
  const { status, stdout, stderr } = ghostkeep(['scan', '--pid', String(pid), '--json']);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Scan;
}

const names = ({ ghosts }: Scan) => ghosts.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));

describe('when a file server does not answer', () => {
  it('scan names the mount of a file server that does not answer, and shows all other ghosts', async t => {
    const server = await fuseServer(t);
    if (!server) return;
    const pid = await farHolder(t, server, 'live');
    assert.deepEqual([names(scan(pid)), scan(pid).unseen], [['near'], []]);
    server.stop();
    // For a second, the kernel trusts the attributes that it remembers.
    await sleep(1100);
    const found = scan(pid);
    assert.deepEqual(names(found), ['near']);
    assert.deepEqual(found.unseen, [
      { pid, what: 'fd 3', why: `the server of ${server.mount} (fuse.server) does not answer` },
    ]);
  });

  it('dump keeps the ghosts on this machine when a file server does not answer, and names the files that it could not look at', async t => {
    const server = await fuseServer(t);
    if (!server) return;
    const pid = await farHolder(t, server, 'live');
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

  it('a file on a silent server that may have lost its name fails the dump, because nobody else would keep it', async t => {
    const server = await fuseServer(t);
    if (!server) return;
    const pid = await farHolder(t, server, `.nfs${'0'.repeat(24)}`);
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

/** A checkpoint meets the server twice, and the second time everything is frozen. */
it('when a file server was silent before the freeze, waiting for it takes little time during the freeze', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  const pid = await farHolder(t, server, 'live');
  const images = temporaryFolder(t);
  const gate = new Gate(t, 'dump', images);
  await gate.answer();
  server.stop();
  await sleep(1100);
  const [warmMs, warm] = await timed(() => gate.ask(`warm ${pid}`));
  const [frozenMs, frozen] = await timed(() => gate.ask(`checkpoint ${pid}`));
  assert.deepEqual([warm, frozen.length, frozen.at(-1)], [['done'], 2, 'done']);
  t.diagnostic(`warm ${warmMs.toFixed()} ms, frozen ${frozenMs.toFixed()} ms`);
  assert.ok(warmMs >= 2000, `the warm pass waited ${warmMs} ms`);
  // A second full wait would take as long as the first.
  assert.ok(frozenMs < warmMs / 2, `frozen for ${frozenMs} ms, ${warmMs} ms before`);
});

it('when a socket is bound on a silent file server, nobody waits for that server during the freeze', {
  timeout: 20_000,
}, async t => {
  const server = await fuseServer(t);
  if (!server) return;
  const pid = await listener(t, server);
  const gate = new Gate(t, 'dump', temporaryFolder(t));
  await gate.answer();
  server.stop();
  await sleep(1100);
  assert.deepEqual(await gate.ask(`checkpoint ${pid}`), ['done']);
});

it('when a file of a silent file server is mounted on a name, the search for the names of a ghost does not wait for it', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  let place = '';
  t.after(() => spawnSync('umount', ['-l', place]));
  const folder = temporaryFolder(t);
  place = `${folder}/place`;
  fs.writeFileSync(`${server.source}/far`, 'far');
  fs.writeFileSync(place, '');
  assert.equal(spawnSync('mount', ['--bind', `${server.mount}/far`, place]).status, 0);
  // The last name is in another folder, so the search looks at all of the first one.
  const names = `mkdir ${folder}/d; ln ${folder}/opened ${folder}/one; ln ${folder}/opened ${folder}/d/two`;
  const pid = await hold(t, `exec 3>${folder}/opened; ${names}; rm ${folder}/opened`);
  server.stop();
  await sleep(1100);
  const { status, stdout, stderr } = ghostkeep(['scan', '--pid', String(pid), '--json'], { waitMs: 20_000 });
  assert.equal(status, 0, stderr);
  const [ghost, ...others] = (JSON.parse(stdout) as Scan).ghosts;
  assert.deepEqual([ghost?.class, ghost?.keep, others], ['linked', 'ghostkeep', []]);
});

it('when a file server answers again at the freeze, its ghosts are found', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  const pid = await farHolder(t, server, '.fuse_hidden0000000200000001');
  const images = temporaryFolder(t);
  const gate = new Gate(t, 'dump', images);
  await gate.answer();
  server.stop();
  await sleep(1100);
  assert.deepEqual(await gate.ask(`warm ${pid}`), ['done']);
  server.goOn();
  const answer = await gate.ask(`checkpoint ${pid}`);
  assert.deepEqual(
    answer.map(line => line.replace(/\[.*/, '')),
    ['external file', 'external file', 'done'],
  );
});

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const started = performance.now();
  const result = await work();
  return [performance.now() - started, result];
}

it('when the last name of an open file is removed on its server, the file does not count as closed', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  const pid = await farHolder(t, server, 'far');
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

/** The deadline of a hook is 25 s: a runtime ends a hook after 30 s, and gives no reason. */
it('when the images lie on a file server that does not answer, a hook ends by its own deadline', async t => {
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

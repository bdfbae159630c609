/** Ghosts go to a receiver, and what lies here says so. The receiver is `ghostkeep receive` in another folder. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { readManifest } from '../../src/image/manifest.js';
import { command, filesIn, flows, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { bytesOf, me } from './rounds.js';

const content = randomBytes(9 << 20);

function setUp(t: TestContext) {
  const folder = temporaryFolder(t, '/dev/shm');
  const [here, there] = [`${folder}/here`, `${folder}/there`];
  const receive = [...command, 'receive', '-D', there].join(' ');
  return { folder, here, there, receive, fd: ghostFile(t, folder, 'ghost', content) };
}

function assertThere(there: string, folder: string, fd: number): void {
  const { ghosts } = readManifest(flows().host.files, there);
  const ghost = ghosts.find(({ ino }) => ino === fs.fstatSync(fd).ino);
  const to = `${folder}/restored`;
  const run = ghostkeep(['restore', '-D', there, '--to', to, '--ghost', String(ghost?.id)]);
  assert.equal(run.status, 0, run.stderr);
  assert.ok(fs.readFileSync(`${to}/${filesIn(to)[0]}`).equals(bytesOf(fd)), 'other bytes');
}

describe('a dump with --via', () => {
  it('has everything on the other side, and ghosts are restored from there', t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, here, there, receive, fd } = setUp(t);
    const round = ghostkeep(['pre-dump', '--pid', me, '--via', receive, '--json']);
    assert.equal(round.status, 0, round.stderr);
    fs.writeSync(fd, 'changed', 4_000_000);
    const { status, stderr } = ghostkeep(['dump', '--pid', me, '-D', here, '--via', receive]);
    assert.equal(status, 0, stderr);
    assertThere(there, folder, fd);
    assert.deepEqual(filesIn(here), ['ghostkeep-manifest.json']);
  });

  it('says here where the ghosts are, and refuses what needs them', t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, here, receive } = setUp(t);
    assert.equal(ghostkeep(['dump', '--pid', me, '-D', here, '--via', receive]).status, 0);
    assert.match(ghostkeep(['show', here]).stdout, /the content of \d+ ghosts? was sent to .* and is not here\n/);
    for (const args of [
      ['verify', here],
      ['restore', '-D', here, '--to', `${folder}/none`],
      ['materialize', '-D', here],
    ]) {
      const { status, stdout, stderr } = ghostkeep(args);
      assert.equal(status, 1, args[0]);
      assert.match(stdout + stderr, /\[MOVED\]\n$/, args[0]);
    }
  });

  it('fails, and leaves nothing here, if nobody receives', t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { here } = setUp(t);
    for (const [via, reason] of [
      ['/bin/false', /cannot reach \/bin\/false: .*; its carrier ended with status 1 \[MOVE_LOST\]\n$/],
      ['/bin/echo this is a login shell', /began with "this is a login " .*\[MOVE_REFUSED\]\n$/],
      ['no-such-program', /there is no program no-such-program in .* \[USAGE\]\n$/],
    ] as const) {
      const { status, stderr } = ghostkeep(['dump', '--pid', me, '-D', here, '--via', via]);
      assert.notEqual(status, 0);
      assert.match(stderr, reason);
      assert.deepEqual(fs.existsSync(here) ? filesIn(here) : [], []);
    }
  });

  it('writes no content of a ghost into any file of this host', t => {
    const strace = '/usr/bin/strace';
    if (!needs(t, isRoot && fs.existsSync(strace), 'strace is not installed')) return;
    const { folder, here, receive } = setUp(t);
    const calls = 'write,writev,pwrite64,pwritev,pwritev2,copy_file_range,sendfile,splice,vmsplice,mmap,ftruncate';
    const trace = ['-f', '-qq', '-y', '-e', `trace=${calls}`, '-o', `${folder}/trace`];
    // The receiver stands for the other host, so it is not traced: a shell that strace has let go starts it.
    const args = ['dump', '--pid', me, '-D', here, '--via', receive];
    const run = spawnSync(strace, [...trace, '-b', 'execve', ...command, ...args], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    const lines = fs.readFileSync(`${folder}/trace`, 'utf8').split('\n');
    let [piped, stored] = [0, 0];
    for (const line of lines) {
      const [, call, file = '', bytes] = /^\d+ +(\w+)\(\d+<([^>]*)>.* = (\d+)$/.exec(line) ?? [];
      if (call === undefined || call === 'mmap' || call === 'ftruncate') continue;
      if (file.startsWith('pipe:')) piped += Number(bytes);
      else if (file.startsWith('/') && !file.startsWith('/dev/')) stored += Number(bytes);
    }
    const shared = lines.filter(line => /mmap\([^)]*MAP_SHARED[^)]*<\/(?!dev\/shm\/|proc)/.test(line));
    assert.ok(piped > content.length, `${piped} bytes went through the pipe`);
    assert.ok(stored < content.length / 50, `${stored} bytes were stored`);
    assert.deepEqual(shared.filter(line => line.includes('PROT_WRITE')), []);
  });
});

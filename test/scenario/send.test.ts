/** Ghosts go to a receiver, and what lies here says so. The receiver is `ghostkeep receive` in another folder. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import readline from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { readManifest } from '../../src/image/manifest.js';
import {
  command,
  filesIn,
  flows,
  ghostFile,
  ghostkeep,
  isRoot,
  needs,
  temporaryFolder,
} from './ghostkeep.js';
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
  it('a dump with --via has everything at the receiver, and ghosts are restored from there', t => {
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

  it('show says of a dump with --via where the ghosts are, and commands that need their content are refused', t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, here, receive } = setUp(t);
    assert.equal(ghostkeep(['dump', '--pid', me, '-D', here, '--via', receive]).status, 0);
    assert.match(
      ghostkeep(['show', here]).stdout,
      /the content of \d+ ghosts? was sent to .* and is not here\n/,
    );
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

  it('a dump with --via fails, and leaves nothing on this host, if nobody receives', t => {
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

  it('a dump with --via writes no content of a ghost into any file of this host', t => {
    const strace = '/usr/bin/strace';
    if (!needs(t, isRoot && fs.existsSync(strace), 'strace is not installed')) return;
    const { folder, here, receive } = setUp(t);
    const calls =
      'write,writev,pwrite64,pwritev,pwritev2,copy_file_range,sendfile,splice,vmsplice,mmap,ftruncate';
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
      else if (/^\/(?!dev\/(?!shm\/))/.test(file)) stored += Number(bytes);
    }
    const shared = lines.filter(line => /mmap\([^)]*MAP_SHARED[^)]*<\/(?!dev\/shm\/|proc)/.test(line));
    assert.ok(piped > content.length, `${piped} bytes went through the pipe`);
    assert.ok(stored < content.length / 50, `${stored} bytes were stored`);
    assert.deepEqual(
      shared.filter(line => line.includes('PROT_WRITE')),
      [],
    );
  });
});

describe('a move with --to', () => {
  it('a dump with --to goes over a unix socket, and over TCP with TLS, and is refused without a certificate', async t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const { folder, fd } = setUp(t);
    makeCertificates(folder);
    const others = temporaryFolder(t);
    makeCertificates(others);
    const secret = certificates(folder);
    for (const [index, [address, options]] of (
      [
        [`${folder}/socket`, []],
        ['127.0.0.1:0', secret],
      ] as const
    ).entries()) {
      const [here, there] = [`${folder}/here-${index}`, `${folder}/there-${index}`];
      const at = await listening(t, there, address, options);
      const to = ['--to', at, ...options];
      if (options.length > 0) {
        const stranger = ghostkeep(['pre-dump', '--pid', me, '--to', at, ...certificates(others)]);
        assert.equal(stranger.status, 1, stranger.stderr);
        assert.match(stranger.stderr, /\[MOVE_LOST\]\n$/);
      }
      const round = ghostkeep(['pre-dump', '--pid', me, ...to]);
      assert.equal(round.status, 0, round.stderr);
      fs.writeSync(fd, `changed ${index}`, 4_000_000);
      const dump = ghostkeep(['dump', '--pid', me, '-D', here, ...to]);
      assert.equal(dump.status, 0, dump.stderr);
      assertThere(there, folder, fd);
      fs.rmSync(`${folder}/restored`, { recursive: true });
    }
  });
});

/** @returns where `ghostkeep receive --listen` listens */
async function listening(
  t: TestContext,
  there: string,
  address: string,
  options: readonly string[],
): Promise<string> {
  const [program, ...words] = command;
  const child = spawn(program, [...words, 'receive', '-D', there, '--listen', address, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill());
  const lines = readline.createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  return line.replace(/^listening on /, '');
}

const certificates = (folder: string) => [
  '--tls',
  ...['cacert', 'cert', 'key'].flatMap(name => [`--tls-${name}`, `${folder}/${name}.pem`]),
];

/** An authority, and one certificate for both sides. */
function makeCertificates(folder: string): void {
  const run = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  run('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'cacert.pem', '-subj', '/CN=authority');
  const name = ['-subj', '/CN=host', '-addext', 'subjectAltName=IP:127.0.0.1'];
  run(
    'req',
    '-x509',
    '-CA',
    'cacert.pem',
    '-CAkey',
    'ca.key',
    ...key,
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
    ...name,
  );
}

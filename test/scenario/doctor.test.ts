/** `ghostkeep doctor` where something hangs, is hostile, or may not be looked at. The lab has twelve hosts in disorder. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Doctor } from '../../src/base/documents/generated/doctor.js';
import { fuseServer } from './fuse-server.js';
import { command, ghostkeep, isRoot, needs, program, publicProgram, temporaryFolder } from './ghostkeep.js';

const top = path.join(path.dirname(program), '..');
const native = path.join(top, 'native');

function doctor(args: string[], options: Parameters<typeof ghostkeep>[1] = {}): Doctor {
  const { status, stdout, stderr } = ghostkeep(['doctor', '--json', ...args], { waitMs: 60_000, ...options });
  const result = JSON.parse(stdout) as Doctor;
  const isBroken = result.findings.some(each => each.status === 'broken');
  assert.deepEqual([status, result.ok], isBroken ? [1, false] : [0, true], stderr);
  return result;
}

const linesOf = ({ findings }: Doctor, name: string) => findings.filter(each => each.name === name);

it('doctor says that the server of an image directory is dead, and does not wait for it', async t => {
  const server = await fuseServer(t);
  if (!server) return;
  server.stop();
  await sleep(1100);
  const [line] = linesOf(doctor(['-D', server.mount]), 'images');
  assert.equal(line?.status, 'broken');
  assert.match(line?.says ?? '', /the file server does not answer/);
  assert.equal(line?.command, `umount --lazy ${server.mount}`);
  execFileSync('sh', ['-c', line?.command ?? '']);
  assert.equal(linesOf(doctor(['-D', server.mount]), 'images')[0]?.status, 'ok');
});

it('doctor tells a user who is not root what it could not look at', t => {
  if (!needs(t, isRoot, 'to be another user needs root')) return;
  const found = doctor([], { uid: 65534, at: publicProgram(t), env: { PATH: '/usr/bin:/bin', HOME: '/' } });
  const [line] = linesOf(found, 'capabilities');
  assert.deepEqual([line?.status, line?.command], ['warning', 'sudo ghostkeep doctor']);
  assert.match(line?.says ?? '', /not looked at/);
});

it('doctor follows no link in an image directory, and removes nothing behind it', t => {
  if (!needs(t, isRoot, 'a mount namespace needs root')) return;
  const [folder, elsewhere] = [temporaryFolder(t), temporaryFolder(t)];
  const kept = `${elsewhere}/base-1-2-3.img`;
  fs.writeFileSync(kept, 'kept');
  fs.symlinkSync(elsewhere, `${folder}/ghostkeep`);
  // The command gets a /run of its own, so that it does not clean up after other tests, which run at the same
  // time.
  const own = ['--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /run && exec "$@"', 'sh'];
  const words = [...own, ...command, 'doctor', '--clean', '--json', '-D', folder];
  const { stdout, stderr } = spawnSync('unshare', words, { encoding: 'utf8', timeout: 60_000 });
  const { bases } = JSON.parse(stdout) as Doctor;
  assert.deepEqual(
    bases.map(each => [each.folder, each.count]),
    [[folder, 0]],
    stderr,
  );
  assert.equal(fs.readFileSync(kept, 'utf8'), 'kept');
});

/** A CRIU of version 4.1 that ends no dump, and a gate that it would load. */
function hangingCriu(t: TestContext): Record<string, string> {
  const folder = temporaryFolder(t);
  const source = `#include <stdio.h>
    #include <string.h>
    #include <unistd.h>
    int main(int count, char **words) {
      if (count > 1 && !strcmp(words[1], "--version")) return puts("Version: 4.1") < 0;
      if (count > 1 && !strcmp(words[1], "check")) return 0;
      for (;;) pause();
    }`;
  execFileSync('cc', ['-x', 'c', '-o', `${folder}/criu`, '-'], { input: source });
  fs.writeFileSync(`${folder}/ghostkeep`, '#!/bin/sh\n', { mode: 0o755 });
  execFileSync('make', ['-s', '-C', `${native}/gate`, `BUILD=${folder}`, `HELPER=${folder}/ghostkeep`]);
  return { ...process.env, PATH: `${folder}:${process.env['PATH']}`, CRIU_LIBS_DIR: folder } as Record<
    string,
    string
  >;
}

it('doctor leaves no process and no folder when it is interrupted while CRIU hangs', async t => {
  if (!needs(t, isRoot, 'CRIU needs root')) return;
  const env = hangingCriu(t);
  const scratch = () => new Set(fs.readdirSync('/var/tmp').filter(name => name.startsWith('ghostkeep-try-')));
  const before = scratch();
  const own = () =>
    [...scratch()].find(name => !before.has(name) && fs.existsSync(`/var/tmp/${name}/data/ready`));
  const [file, ...words] = command;
  const child = spawn(file, [...words, 'doctor'], { env, stdio: 'ignore' });
  const ended = once(child, 'exit');
  while (own() === undefined && child.exitCode === null) await sleep(20);
  const folder = `/var/tmp/${own()}`;
  const { pid } = JSON.parse(fs.readFileSync(`${folder}/data/ready`, 'utf8')) as { pid: number };
  child.kill('SIGINT');
  assert.equal((await ended)[0], 130);
  while (fs.existsSync(folder) || isAlive(pid)) await sleep(20);
});

function isAlive(pid: number): boolean {
  return fs.existsSync(`/proc/${pid}`);
}

it('doctor warns that it runs in a chroot, and nowhere else', t => {
  if (!needs(t, isRoot, 'a chroot needs root')) return;
  const folder = temporaryFolder(t);
  // In a pid namespace of its own, process 1 is one whose root folder everybody with our rights may look at.
  const script = `mount -t tmpfs tmpfs "$0" && cd "$0" && mkdir upper work root && chmod 755 root &&
    mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root && mount --bind /dev root/dev &&
    mount -t proc proc root/proc && mount -t tmpfs tmpfs root/tmp && mkdir -p "root$1" &&
    mount --bind "$1" "root$1" && shift && "$@"; exit 0`;
  const linesIn = (...around: string[]) => {
    const own = ['--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c', script, folder, top, ...around];
    const { stdout, stderr } = spawnSync('unshare', [...own, ...command, 'doctor', '--json'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.notEqual(stdout, '', stderr);
    return linesOf(JSON.parse(stdout) as Doctor, 'chroot');
  };
  assert.deepEqual(linesIn(), []);
  const [line, ...more] = linesIn('chroot', 'root');
  assert.deepEqual([line?.status, more], ['warning', []]);
  assert.match(line?.says ?? '', /^doctor runs in a chroot \(its root folder is not that of process 1\): /);
});

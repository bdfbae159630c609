/** `ghostkeep check` says beforehand what a checkpoint would be refused for. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Check } from '../../src/base/documents/generated/check.js';
import { fuseMount } from './fuse.js';
import { command, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

/** A process with this ghost as its stdout. */
function holder(t: TestContext, ghost: number): number {
  const child = spawn('sleep', ['600'], { stdio: ['ignore', ghost] });
  t.after(() => child.kill('SIGKILL'));
  return child.pid as number;
}

/** A shell in a mount namespace of its own runs SCRIPT, says that it is ready, and waits. */
async function inNamespace(t: TestContext, script: string): Promise<number> {
  const child = spawn('unshare', ['--mount', 'sh', '-ec', `${script}\necho ready; read line`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [said] = await once(child.stdout, 'data');
  assert.equal(String(said), 'ready\n');
  return child.pid as number;
}

function check(pid: number, ...more: string[]): { status: number | null; result: Check } {
  const { status, stdout, stderr } = ghostkeep(['check', '--tree', String(pid), ...more, '--json']);
  assert.equal(stderr, '');
  return { status, result: JSON.parse(stdout) };
}

describe('ghostkeep check', () => {
  it('check says that a checkpoint would succeed, how much room it needs, and how long copying would take', t => {
    const folder = temporaryFolder(t);
    const bytes = 20 << 20;
    const pid = holder(t, ghostFile(t, folder, 'large', Buffer.alloc(bytes, 7)));
    const before = fs.readdirSync(folder);
    const { status, result } = check(pid, '-D', `${folder}/not/there/yet`);
    assert.equal(status, 0);
    assert.deepEqual([result.ok, result.refusals, result.doubts], [true, [], []]);
    assert.equal(result.room.folder, fs.realpathSync(folder));
    assert.ok(Number(result.room.needed) >= bytes && Number(result.room.needed) < 2 * bytes);
    assert.ok(Number(result.room.free) > 0);
    assert.equal(result.freeze.copied, result.room.needed);
    assert.ok((result.freeze.atMostMs ?? 0) >= 1, 'a sample was copied');
    assert.deepEqual(fs.readdirSync(folder), before, 'nothing of the sample is left');
    const { stdout } = ghostkeep(['check', '--pid', String(pid), '-D', folder]);
    assert.match(stdout, /^ghosts {3}1 ghost with 20(\.\d)? MiB kept by ghostkeep, in 1 process$/m);
    assert.match(stdout, /nothing is known for which a checkpoint would be refused\n$/);
  });

  it('check says that no images can be made where the directory is a file, beside everything else that it has found', t => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(`${folder}/file`, '');
    const pid = holder(t, ghostFile(t, folder, 'small', 'x'));
    const { status, result } = check(pid, '-D', `${folder}/file`);
    assert.equal(status, 1);
    assert.deepEqual(
      result.refusals.map(({ code, subject }) => [code, subject]),
      [['IO', 'images']],
    );
    assert.match(
      result.refusals[0]?.message ?? '',
      /no images can be made in .*ENOTDIR.*choose another directory/,
    );
    assert.equal(result.ghosts.length, 1);
  });

  it('check says that room and time are not known where no engine says where images will lie', t => {
    const pid = holder(t, ghostFile(t, temporaryFolder(t), 'small', 'x'));
    const { status, result } = check(pid);
    assert.equal(status, 0);
    assert.equal(result.room.folder, undefined);
    assert.match(result.doubts.join(), /room and time are not known: .*give -D/);
  });

  it('check says that there is no such process', () => {
    const { status, stderr } = ghostkeep(['check', '--pid', '4194304']);
    assert.equal(status, 1);
    assert.match(stderr, /cannot look at process 4194304: there is none \[NOT_FOUND\]/);
  });

  it('check names everything that would be refused, with exit status 1', { skip: !isRoot }, async t => {
    const pid = await inNamespace(
      t,
      [
        'mount -t ramfs ramfs /mnt',
        'mkdir /mnt/a && mount -t tmpfs tmpfs /mnt/a',
        'exec 5<>/mnt/a/covered && rm /mnt/a/covered',
        'mount -t tmpfs tmpfs /mnt/a',
      ].join('\n'),
    );
    const { status, result } = check(pid, '-D', temporaryFolder(t));
    assert.equal(status, 1);
    assert.equal(result.ok, false);
    assert.deepEqual(
      result.refusals.map(({ code, subject }) => [code, subject.replace(/^0:\d+\/\d+$/, 'ghost')]),
      [
        ['GHOST_UNREADABLE', 'ghost'],
        ['MOUNT_REFUSED', '/mnt'],
      ],
    );
    assert.match(result.refusals[0]?.message ?? '', /another mount covers its own/);
  });

  it('check doubts a checkpoint with a file that check could not look at, because its server is silent', async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const held = { server: 0 };
    const mountPoint = await fuseMount(t, 'subtype=memory', {}, pid => {
      held.server = pid;
    });
    const pid = holder(t, ghostFile(t, mountPoint, 'held', 'x'));
    process.kill(held.server, 'SIGSTOP');
    const { result } = check(pid, '-D', temporaryFolder(t));
    process.kill(held.server, 'SIGCONT');
    assert.match(
      result.doubts.join('\n'),
      /cannot look at fd 1 of process [0-9]+: the server of .* does not answer/,
    );
  });

  it('check says that the copies do not fit', { skip: !isRoot }, async t => {
    const folder = temporaryFolder(t);
    const ghost = holder(t, ghostFile(t, folder, 'large', Buffer.alloc(8 << 20, 7)));
    const words = command.map(word => `'${word}'`).join(' ');
    const script = `mount -t tmpfs -o size=4m tmpfs ${folder} && exec ${words} check --pid ${ghost} -D ${folder} --json`;
    const { status, stdout } = spawnSync('unshare', ['--mount', 'sh', '-c', script], { encoding: 'utf8' });
    const result: Check = JSON.parse(stdout);
    assert.equal(status, 1);
    assert.deepEqual(
      result.refusals.map(({ code }) => code),
      ['NO_SPACE'],
    );
  });
});

/** `ghostkeep recover`: somebody deleted a file that is still open, and wants it back. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  command,
  filesIn,
  ghostFile,
  ghostkeep,
  isRoot,
  needs,
  stoppedWorkload,
  temporaryFolder,
} from './ghostkeep.js';

/** A process that goes on and holds the files of FDS. */
function holder(t: TestContext, fds: readonly number[], script = 'exec sleep 600'): ChildProcess {
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'ignore', 'ignore', ...fds] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}
const recover = (child: ChildProcess, to: string, ...args: string[]) =>
  ghostkeep(['recover', '--pid', String(child.pid), '--to', to, ...args]);

/** A file that was written long enough ago not to look as if it were being written. */
function old(t: TestContext, folder: string, name: string | Buffer, content: string | Buffer): number {
  const fd = ghostFile(t, folder, name, content);
  fs.futimesSync(fd, 1_000_000_000, 1_234_567_890.123);
  return fd;
}

describe('recover', () => {
  it('recover brings a file back under its old name, with owner, mode, times and holes, and the process goes on', t => {
    const folder = temporaryFolder(t);
    const fd = old(t, folder, 'access.log', Buffer.alloc(1 << 20, 'line\n'));
    fs.ftruncateSync(fd, 1 << 30);
    fs.fchmodSync(fd, 0o640);
    if (isRoot) fs.fchownSync(fd, 1234, 4321);
    fs.futimesSync(fd, 1_000_000_000, 1_234_567_890.123);
    const child = holder(t, [fd]);
    const { status, stdout, stderr } = recover(child, `${folder}/to`);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(
      stdout,
      /\/to\/access\.log +1 GiB .*\/access\.log\n1 file recovered; the processes went on\n$/,
    );
    const [was, is] = [fs.fstatSync(fd), fs.statSync(`${folder}/to/access.log`)];
    for (const field of ['size', 'mode', 'uid', 'gid', 'mtimeMs'] as const)
      assert.equal(is[field], was[field], field);
    assert.ok(is.blocks * 512 <= 2 << 20, `${is.blocks} blocks`);
    const start = Buffer.alloc(2 << 20);
    fs.readSync(fs.openSync(`${folder}/to/access.log`, 'r'), start);
    assert.ok(start.equals(Buffer.concat([Buffer.alloc(1 << 20, 'line\n'), Buffer.alloc(1 << 20)])));
    assert.deepEqual(filesIn(`${folder}/to`), ['access.log']);
    assert.match(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'), /^State:\s[SR]/m);
  });

  it('recover writes over no file: a second one of the same name gets its inode number, a third try fails', t => {
    const folder = temporaryFolder(t);
    const fds = ['one', 'two'].map(content => old(t, folder, 'log', content));
    const child = holder(t, fds);
    assert.equal(recover(child, `${folder}/to`).status, 0);
    const [first = '', second = ''] = filesIn(`${folder}/to`);
    assert.equal(first, 'log');
    assert.match(second, /^log\.ghost-\d+$/);
    const contents = [first, second].map(name => fs.readFileSync(`${folder}/to/${name}`, 'utf8'));
    assert.deepEqual(contents.sort(), ['one', 'two']);
    const again = recover(child, `${folder}/to`);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /EEXIST: it is there already/);
    assert.deepEqual([first, second].map(name => fs.readFileSync(`${folder}/to/${name}`, 'utf8')).sort(), [
      'one',
      'two',
    ]);
  });

  it('recover makes the names of a hostile container harmless', t => {
    const folder = temporaryFolder(t);
    const names = [
      '-rf',
      '\u001b[2J',
      'a\nb',
      'x\u202ey',
      '.ghostkeep-partial-1-1-1',
      'a%b',
      'ü'.repeat(127),
    ];
    const bytes = [Buffer.from([0x61, 0xff, 0x62])];
    const child = holder(
      t,
      [...names, ...bytes].map(name => old(t, folder, name, 'x')),
    );
    const { status, stdout } = recover(child, `${folder}/to`);
    assert.equal(status, 0);
    assert.deepEqual(
      filesIn(`${folder}/to`),
      [
        '%1b[2J',
        '%2drf',
        '%2eghostkeep-partial-1-1-1',
        'a%0ab',
        'a%25b',
        'a%ffb',
        'x%e2%80%aey',
        'ü'.repeat(110),
      ].sort(),
    );
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
    // The next recovery removes what an interrupted one has left. It must not remove these files.
    assert.equal(recover(holder(t, [old(t, folder, 'other', 'x')]), `${folder}/to`).status, 0);
    assert.equal(filesIn(`${folder}/to`).length, names.length + 2);
  });

  it('recover makes the folders of the old path only where --paths asks for it', t => {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/var/log`, { recursive: true });
    const child = holder(t, [old(t, `${folder}/var/log`, 'a', '1')]);
    assert.equal(recover(child, `${folder}/to`, '--paths').status, 0);
    assert.deepEqual(filesIn(`${folder}/to`), [`${folder.slice(1)}/var/log/a`]);
  });

  it('recover says that a file may be torn when it is written to meanwhile, or can be through a mapping', async t => {
    const folder = temporaryFolder(t);
    const fd = ghostFile(t, folder, 'growing', Buffer.alloc(64 << 20, 1));
    const child = holder(t, [fd], 'while :; do echo line; done >&3');
    const grown = recover(child, `${folder}/to`);
    assert.equal(grown.status, 0, grown.stderr);
    assert.match(grown.stdout, /^\S+\/growing may be torn: .* written/m);
    const quiet = recover(holder(t, [old(t, folder, 'quiet', 'x')]), `${folder}/to`);
    assert.doesNotMatch(quiet.stdout, /torn/);

    if (!needs(t, isRoot, 'mappings of other processes need root')) return;
    fs.mkdirSync(`${folder}/data`);
    const { pid } = await stoppedWorkload(t, `${folder}/data`, ['mapped']);
    process.kill(-pid, 'SIGCONT');
    await sleep(100);
    const mapped = ghostkeep(['recover', '--tree', String(pid), '--to', `${folder}/mapped`, '--json']);
    assert.equal(mapped.status, 0, mapped.stderr);
    const { recovered } = JSON.parse(mapped.stdout) as { recovered: { torn?: string }[] };
    assert.ok(
      recovered.some(
        ({ torn }) => torn === `process ${pid} can change it through a mapping, which nothing shows`,
      ),
      mapped.stdout,
    );
  });

  it('recover withholds set-id bits, unless the user trusts the container', t => {
    if (!needs(t, isRoot, 'giving a file away needs root')) return;
    const folder = temporaryFolder(t);
    const fd = old(t, folder, 'tool', 'x');
    fs.fchmodSync(fd, 0o4755);
    const child = holder(t, [fd]);
    const { stdout } = recover(child, `${folder}/to`);
    assert.match(stdout, /^withheld: set-id bits .*--allow-privileged/m);
    assert.equal(fs.statSync(`${folder}/to/tool`).mode & 0o7777, 0o755);
    assert.equal(recover(child, `${folder}/trusted`, '--allow-privileged').status, 0);
    assert.equal(fs.statSync(`${folder}/trusted/tool`).mode & 0o7777, 0o4755);
  });

  it('recover begins no copy that the disk has no room for, and brings the other files back', t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    let full = '';
    // The full disk is unmounted before the folder is removed.
    t.after(() => spawnSync('umount', [full]));
    const folder = temporaryFolder(t);
    full = `${folder}/full`;
    fs.mkdirSync(full);
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'gk', full]).status, 0);
    const child = holder(t, [
      old(t, folder, 'large', Buffer.alloc(12 << 20, 1)),
      old(t, folder, 'small', 'x'),
    ]);
    const { status, stderr, stdout } = recover(child, full);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /no space left; 28 MiB needed, .* free; name another file system with --to \[NO_SPACE\]/,
    );
    assert.match(stdout, /^1 file recovered/m);
    assert.deepEqual(filesIn(full), ['small']);
  });

  it('when a process holds no deleted file, or none is named, recover says so', t => {
    const child = holder(t, []);
    const { status, stderr } = recover(child, `${temporaryFolder(t)}/to`);
    assert.equal(status, 1);
    assert.match(stderr, /hold no file that was deleted.*\[NOT_FOUND\]/);
    assert.equal(ghostkeep(['recover']).status, 2);
  });

  it('when there is no such process, recover says so', t => {
    const { status, stdout, stderr } = ghostkeep([
      'recover',
      '--pid',
      '4194303',
      '--to',
      `${temporaryFolder(t)}/to`,
    ]);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^ghostkeep: cannot look at process 4194303: there is none \[NOT_FOUND\]\n$/);
  });

  it('when others may write to the target folder, recover gives one error with the reason, and prints no table', t => {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/to`);
    fs.chmodSync(`${folder}/to`, 0o777);
    const child = holder(
      t,
      ['one', 'two'].map(name => old(t, folder, name, 'x')),
    );
    const { status, stdout, stderr } = recover(child, `${folder}/to`);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(
      stderr,
      /^ghostkeep: cannot recover to \S+\/to: others than its owner may write .*\[PERMISSION\]\n$/,
    );
    fs.chmodSync(`${folder}/to`, 0o700);
    assert.doesNotMatch(recover(child, `${folder}/to`).stdout, /could not set/);
    assert.deepEqual(filesIn(`${folder}/to`), ['one', 'two']);
  });

  it('when the commands of docs/deleted-files.md are typed, recover brings the deleted file back', t => {
    const page = fs.readFileSync(new URL('../../docs/deleted-files.md', import.meta.url), 'utf8');
    const [, block = ''] = /```sh\n([\s\S]*?)```/.exec(page) ?? [];
    const folder = temporaryFolder(t);
    const program = command.map(word => `'${word}'`).join(' ');
    const { status, stdout, stderr } = spawnSync(
      'sh',
      ['-euc', `ghostkeep() { ${program} "$@"; }\n${block}`],
      {
        encoding: 'utf8',
        cwd: folder,
      },
    );
    assert.deepEqual([status, stderr], [0, ''], stdout);
    assert.match(stdout, / sleep +\d+\/fd\/3 .*\/notes\.txt\n/);
    assert.match(stdout, /1 file recovered; the processes went on\nprecious\n$/);
  });
});

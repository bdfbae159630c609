/**
 * The bench itself, on real file systems: its output, whether it notices a wrong byte, and whether it leaves
 * anything behind.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Row } from '../../bench/report/row.js';
import { ghostkeep, isRoot, needs, program, type Run, temporaryFolder } from './ghostkeep.js';

const small = ['copy', '--quick', '--json', '--case', '4k-4k-16m'];
const memory = ['memory', '--quick', '--json', '--case', '16g-16k', '--filesystem', 'tmpfs'];

/**
 * Runs the bench in a scratch folder. The bench takes a program that this machine lacks from an unpacked
 * Debian 13. Here it is given an empty folder in place of that, so it leaves out the rows of such programs.
 */
function bench(
  t: TestContext,
  args: readonly string[],
  env: Record<string, string> = {},
  what: readonly string[] = small,
): Run & { scratch: string } {
  const scratch = temporaryFolder(t, '/var/tmp');
  const tree = temporaryFolder(t);
  const result = ghostkeep(
    ['bench', ...what, '--scratch', scratch, '--results', path.join(scratch, 'results'), ...args],
    {
      env: { ...(process.env as Record<string, string>), GHOSTKEEP_BENCH_TREE: tree, ...env },
      waitMs: 120_000,
    },
  );
  return { ...result, scratch };
}

function leftovers(scratch: string): string[] {
  const loops = spawnSync('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'], {
    encoding: 'utf8',
  });
  const mounts = fs.readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return [...loops.stdout.split('\n'), ...mounts, ...fs.readdirSync(scratch)].filter(
    line => line.includes(scratch) || line.startsWith('ghostkeep-bench'),
  );
}

function canMount(t: TestContext): boolean {
  if (!needs(t, isRoot, 'file systems are made, which takes root')) return false;
  const loop = spawnSync('losetup', ['--find'], { encoding: 'utf8' });
  if (!needs(t, loop.status === 0, 'there are no loop devices')) return false;
  return needs(t, spawnSync('mkfs.xfs', ['-V']).status === 0, 'mkfs.xfs is not installed');
}

describe('bench copy', () => {
  it('when a whole run succeeds, bench copy prints a row for each file system with all bytes equal, and leaves only its results', t => {
    if (!canMount(t)) return;
    const { status, stdout, stderr, scratch } = bench(t, []);
    assert.equal(status, 0, stderr);
    const rows = JSON.parse(stdout) as Row[];
    assert.deepEqual(
      rows.map(({ suite, case: name, filesystem, state, equal }) => [suite, name, filesystem, state, equal]),
      ['ext4', 'xfs', 'btrfs', 'tmpfs'].map(each => ['copy', '4k-4k-16m', each, 'synced', true]),
    );
    for (const row of rows) {
      assert.ok(row.oursMs > 0 && row.peerMs > 0, JSON.stringify(row));
      assert.ok(Math.abs(row.ratio - row.oursMs / row.peerMs) < 0.01, JSON.stringify(row));
      assert.equal(row.peerMs, row.peers[row.peer]?.ms);
      assert.equal(row.target, null);
    }
    assert.deepEqual(fs.readdirSync(`${scratch}/results`).sort(), ['copy.json', 'copy.md', 'copy.svg']);
    assert.deepEqual(leftovers(scratch), []);
  });

  it('when a peer changes a byte, the row of that peer is marked as not equal and names the byte, and the status is 1', t => {
    if (!canMount(t)) return;
    const bin = temporaryFolder(t);
    const damage =
      'for to; do :; done; case $to in -*) exit;; esac; printf x | /bin/dd of="$to" conv=notrunc bs=1 seek=8200 status=none';
    fs.writeFileSync(`${bin}/cp`, `#!/bin/sh\n/bin/cp "$@" && ${damage}\n`, { mode: 0o755 });
    const { status, stdout, stderr } = bench(t, ['--filesystem', 'xfs'], {
      PATH: `${bin}:${process.env['PATH']}`,
    });
    assert.equal(status, 1, stderr);
    const [row] = JSON.parse(stdout) as Row[];
    assert.equal(row?.equal, false);
    assert.deepEqual(row?.unequal, ['cp', 'cp --sparse=always']);
    assert.match(stderr, /WRONG BYTES: copy 4k-4k-16m, xfs: cp, cp --sparse=always/);
  });

  it("when ghostkeep's own engine writes a wrong byte, the comparison finds it too", t => {
    if (!canMount(t)) return;
    const folder = temporaryFolder(t);
    const { status, stdout, stderr } = bench(t, ['--filesystem', 'xfs'], { LD_PRELOAD: buildWrong(folder) });
    assert.equal(status, 1, stderr);
    assert.notEqual(stdout, '', stderr);
    const [row] = JSON.parse(stdout) as Row[];
    assert.deepEqual([row?.equal, row?.unequal], [false, ['ghostkeep']], stderr);
  });

  it('when a tool fails, bench copy keeps the earlier measurements, names what is missing, and ends with status 1', t => {
    if (!canMount(t)) return;
    const bin = temporaryFolder(t);
    const fails = 'case "$*" in */xfs/*) echo broken >&2; exit 9;; esac; exec /bin/cp "$@"';
    fs.writeFileSync(`${bin}/cp`, `#!/bin/sh\n${fails}\n`, { mode: 0o755 });
    const { status, stdout, stderr, scratch } = bench(t, [], { PATH: `${bin}:${process.env['PATH']}` });
    assert.equal(status, 1, stderr);
    assert.deepEqual(
      (JSON.parse(stdout) as Row[]).map(({ filesystem }) => filesystem),
      ['ext4'],
    );
    assert.match(stderr, /status 9\nbroken/);
    const { missing } = JSON.parse(fs.readFileSync(`${scratch}/results/copy.json`, 'utf8'));
    assert.match(missing['the rest'], /^it failed: .*status 9$/);
    assert.deepEqual(leftovers(scratch), []);
  });

  it('when bench copy is interrupted or killed, its devices, mounts and folders are removed', async t => {
    if (!canMount(t)) return;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const scratch = temporaryFolder(t, '/var/tmp');
      const words = [
        program,
        'bench',
        'copy',
        '--quick',
        '--scratch',
        scratch,
        '--results',
        `${scratch}/results`,
      ];
      const child = spawn(process.execPath, words, {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, GHOSTKEEP_BENCH_TREE: scratch },
        detached: true,
      });
      const ended = new Promise(resolve => child.on('exit', resolve));
      await new Promise<void>((resolve, reject) => {
        child.stderr.on('data', (text: Buffer) => text.includes('copy: dense') && resolve());
        child.on('exit', () => reject(new Error('it ended before it had begun')));
      });
      assert.notDeepEqual(fs.readdirSync(scratch), []);
      // Ctrl-C goes to the whole process group, kill(1) to one process.
      process.kill(signal === 'SIGINT' ? -(child.pid as number) : (child.pid as number), signal);
      assert.notEqual(await ended, 0);
      for (let waits = 0; leftovers(scratch).length > 0 && waits < 100; waits += 1) await sleep(50);
      assert.deepEqual(leftovers(scratch), [], signal);
    }
  });
});

describe('bench start', () => {
  it('when bench start measures hooks, each has its time beside /bin/true and its target, and leaves no record on the host', t => {
    if (!needs(t, isRoot, 'it mounts, which takes root')) return;
    const { status, stdout, stderr, scratch } = bench(t, [], {}, [
      'start',
      '--quick',
      '--json',
      '--case',
      'hook',
    ]);
    assert.equal(status, 0, stderr);
    const rows = JSON.parse(stdout) as Row[];
    assert.deepEqual(
      rows.map(({ case: name, peer, targetMs }) => [name, peer, targetMs]),
      ['prestart', 'poststop'].map(stage => [`hook ${stage}`, '/bin/true', 30]),
    );
    for (const { addedMs, oursMs, peerMs } of rows)
      assert.ok(Math.abs((addedMs?.['ghostkeep'] ?? 0) - (oursMs - peerMs)) < 0.01);
    assert.ok(!fs.existsSync('/run/ghostkeep/sessions/ghostkeep-bench.json'));
    assert.deepEqual(leftovers(scratch), []);
  });
});

describe('bench busy', () => {
  it('bench busy compares a start of the executable with one of Node.js, neither in the page cache, and leaves nothing', t => {
    if (!needs(t, isRoot, 'it mounts, which takes root')) return;
    const words = ['busy', '--quick', '--json', '--case', 'cold'];
    const { status, stdout, stderr, scratch } = bench(t, [], {}, words);
    assert.equal(status, 0, stderr);
    const rows = JSON.parse(stdout) as Row[];
    assert.deepEqual(
      rows.map(row => [row.case, row.state, row.peer, row.target, row.rounds]),
      [['scan --pid', 'cold', 'Node.js', 1, 3]],
    );
    assert.deepEqual(leftovers(scratch), []);
  });
});

describe('bench move', () => {
  const throughput = ['move', '--quick', '--json', '--case', 'throughput', '--filesystem', 'tmpfs'];

  it('bench move sends a ghost through a pipe with every byte, and its time stands beside that of dd', t => {
    if (!needs(t, isRoot, 'it mounts, which takes root')) return;
    const { status, stdout, stderr, scratch } = bench(t, [], {}, throughput);
    assert.equal(status, 0, stderr);
    const [row, ...others] = JSON.parse(stdout) as Row[];
    assert.deepEqual(others, []);
    assert.deepEqual(
      [row?.suite, row?.case, row?.filesystem, row?.state, row?.target, row?.equal],
      ['move', 'throughput', 'tmpfs', 'pipe', 2, true],
    );
    assert.ok((row?.oursMs ?? 0) > 0 && (row?.peers['cat, dd']?.ms ?? 0) > 0, stdout);
    assert.deepEqual(fs.readdirSync(`${scratch}/results`).sort(), ['move.json', 'move.md', 'move.svg']);
    assert.deepEqual(leftovers(scratch), []);
  });

  it('a peer that writes a wrong byte is named by bench move, and the status is 1', t => {
    if (!needs(t, isRoot, 'it mounts, which takes root')) return;
    const bin = temporaryFolder(t);
    const damage = 'printf x | /bin/dd of="$(echo "$1" | cut -c4-)" conv=notrunc bs=1 seek=8200 status=none';
    fs.writeFileSync(`${bin}/dd`, `#!/bin/sh\n/bin/dd "$@" && ${damage}\n`, { mode: 0o755 });
    const path = `${bin}:${process.env['PATH']}`;
    const { status, stdout, stderr } = bench(t, [], { PATH: path }, throughput);
    assert.equal(status, 1, stderr);
    const [row] = JSON.parse(stdout) as Row[];
    assert.deepEqual([row?.equal, row?.unequal], [false, ['cat, dd']]);
  });
});

describe('bench memory', () => {
  it('when a file of 16 GiB in 16,384 pieces is dumped, verified and restored, each step reports its peak memory and every byte is equal', t => {
    if (!canMount(t)) return;
    const { status, stdout, stderr } = bench(t, [], {}, memory);
    assert.equal(status, 0, stderr);
    const rows = JSON.parse(stdout) as Row[];
    assert.deepEqual(
      rows.map(({ case: name, peer, equal }) => [name, peer, equal]),
      [
        ['16g-16k dump', 'cp', true],
        ['16g-16k verify', 'cat', true],
        ['16g-16k restore', 'cp', true],
      ],
    );
    for (const { peakBytes, targetBytes } of rows) {
      assert.equal(targetBytes, 120 << 20);
      const peak = peakBytes?.['ghostkeep'] ?? 0;
      assert.ok(peak > 20 << 20 && peak < 120 << 20, `${peak} bytes`);
    }
  });

  it("when ghostkeep's own engine writes a wrong byte, bench memory finds it in the image and in the restored file", t => {
    if (!canMount(t)) return;
    const folder = temporaryFolder(t);
    const { status, stdout, stderr } = bench(t, [], { LD_PRELOAD: buildWrong(folder) }, memory);
    assert.equal(status, 1, stderr);
    const rows = JSON.parse(stdout) as Row[];
    assert.deepEqual(rows[0]?.unequal, ['ghostkeep']);
  });
});

function buildWrong(folder: string): string {
  const source = path.join(folder, 'wrong.c');
  fs.writeFileSync(source, wrongWrites);
  const built = spawnSync('cc', ['-shared', '-fPIC', '-o', `${folder}/wrong.so`, source], {
    encoding: 'utf8',
  });
  assert.equal(built.status, 0, built.stderr);
  return `${folder}/wrong.so`;
}

/**
 * A library for LD_PRELOAD that flips a bit of what the engine writes with pwritev(2). Node.js itself does
 * not write by that call here. The head of an image is shorter than 100 bytes and must stay as it is: a bit
 * behind its end would be in memory of somebody else, and the program would crash now and then.
 */
const wrongWrites = `
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
	if (parts[count - 1].iov_len > 99)
		((char *)parts[count - 1].iov_base)[99] ^= 1;
	return syscall(SYS_pwritev, fd, parts, count, offset, 0);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	return pwritev64(fd, parts, count, offset);
}
`;

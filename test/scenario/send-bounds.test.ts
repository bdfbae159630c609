/** A move has bounds of memory on both sides, and a sender says how far it is. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertDocument } from '../../src/base/documents/document.js';
import type { ProgressStatus } from '../../src/base/documents/generated/progress.js';
import { command, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { me } from './rounds.js';

const [program, ...words] = command;
const mostMemory = 120 << 20;

function start(args: readonly string[], third: number | 'ignore' = 'ignore'): ChildProcess {
  return spawn(program, [...words, ...args], { stdio: ['ignore', 'pipe', 'inherit', third] });
}

/** The most memory that each process below PIDS has had, by its pid. Source: proc_pid_status(5) */
function noteMemory(most: Map<number, number>, pids: readonly number[]): void {
  for (const pid of pids)
    try {
      const [, kib = '0'] =
        /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
      most.set(pid, Math.max(most.get(pid) ?? 0, Number(kib) * 1024));
      const below = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
      noteMemory(most, below.map(Number));
    } catch {
      // The process has ended.
    }
}

describe('a sender', () => {
  it('a move of 300 MiB takes less than 120 MiB of memory on either side, and the sender says how far it is', async t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const folder = temporaryFolder(t, '/dev/shm');
    const size = 300 << 20;
    ghostFile(t, folder, 'ghost', randomBytes(size));
    const listener = start(['receive', '-D', `${folder}/there`, '--listen', `${folder}/socket`]);
    t.after(() => listener.kill());
    await once(listener.stdout as NodeJS.ReadableStream, 'data');
    const lines = fs.openSync(`${folder}/progress`, 'w');
    t.after(() => fs.closeSync(lines));
    const sender = start(['pre-dump', '--pid', me, '--progress', '3', '--to', `${folder}/socket`], lines);
    const most = new Map<number, number>();
    while (sender.exitCode === null) {
      noteMemory(most, [sender.pid as number, listener.pid as number]);
      await sleep(10);
    }
    assert.equal(sender.exitCode, 0);
    assert.equal(most.size, 4, 'a sender, its carrier, the listener and the receiver');
    for (const bytes of most.values()) assert.ok(bytes < mostMemory, `${[...most.values()]}`);
    const said = fs
      .readFileSync(`${folder}/progress`, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as ProgressStatus);
    for (const line of said) assertDocument('ProgressStatus', line, JSON.stringify(line), 'BAD_INPUT');
    assert.ok(
      said.some(line => JSON.stringify(line).includes('sending')),
      JSON.stringify(said.slice(0, 3)),
    );
  });

  it('a sender refuses an address that others can reach, unless --tls or --insecure is given', t => {
    if (!needs(t, isRoot, 'tables of receivers lie in /run')) return;
    const folder = temporaryFolder(t, '/dev/shm');
    ghostFile(t, folder, 'ghost', 'x'.repeat(2 << 20));
    // Nobody has this address. Source: RFC 5737
    const { status, stderr } = ghostkeep(['pre-dump', '--pid', me, '--to', '192.0.2.1:7712']);
    assert.notEqual(status, 0);
    assert.match(stderr, /everybody on the way to 192.0.2.1:7712 could read/);
  });
});

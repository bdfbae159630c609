import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findHolders } from '../../../../src/host/engine/find-holders.js';

let top: string;
const children: ReturnType<typeof spawn>[] = [];
before(() => {
  top = fs.mkdtempSync('/dev/shm/ghostkeep-holders-');
});
after(() => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(top, { recursive: true });
});

function make(name: string) {
  const file = path.join(top, name);
  fs.writeFileSync(file, name);
  return fs.statSync(file, { bigint: true });
}

/** A process that has the file open. */
function hold(name: string): number {
  const fd = fs.openSync(path.join(top, name), 'r');
  const child = spawn('sleep', ['1000'], { stdio: [fd, 'ignore', 'ignore'] });
  fs.closeSync(fd);
  children.push(child);
  return child.pid as number;
}

describe('findHolders', () => {
  it('the holder of each file stands where the file stands, whatever the order of their inodes', () => {
    const names = Array.from({ length: 12 }, (_, at) => `file-${at}`);
    const files = names.map(make);
    const pids = new Map(['file-9', 'file-2', 'file-4'].map(name => [name, hold(name)]));
    const holders = names.map(name => pids.get(name));
    const all = [...pids.values()];
    assert.deepEqual(findHolders(all, files, 5000), { holders, complete: true });
    const backwards = { holders: holders.toReversed(), complete: true };
    assert.deepEqual(findHolders(all, files.toReversed(), 5000), backwards);
  });

  it('a process that was not asked about is no holder, and without a file nobody is looked at', () => {
    const file = make('other');
    hold('other');
    assert.deepEqual(findHolders([], [file], 5000), { holders: [undefined], complete: true });
    assert.deepEqual(findHolders([process.pid], [], 5000), { holders: [], complete: true });
  });
});

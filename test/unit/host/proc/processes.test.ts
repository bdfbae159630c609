import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { LinuxProcesses } from '../../../../src/host/proc/processes.js';

describe('the tree of a process', () => {
  it('the tree of a process has its children and grandchildren, and no other process', async t => {
    const shell = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
    t.after(() => shell.kill('SIGKILL'));
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    const sleeper = Number(line);
    t.after(() => process.kill(sleeper, 'SIGKILL'));
    assert.deepEqual(new LinuxProcesses().tree(shell.pid as number), [shell.pid, sleeper]);
    assert.ok(new LinuxProcesses().tree(process.pid).includes(sleeper));
  });

  it('the tree of a process that does not exist has only its pid', () => {
    assert.deepEqual(new LinuxProcesses().tree(4_194_304), [4_194_304]);
  });
});

describe('the device of shared memory', () => {
  it('the device of shared memory is that of a memfd, and of no mount', () => {
    const processes = new LinuxProcesses();
    const dev = processes.sharedMemoryDev();
    assert.notEqual(dev, undefined);
    assert.equal(processes.sharedMemoryDev(), dev);
    assert.ok(processes.mounts(process.pid).every(mount => mount.dev !== dev));
  });
});

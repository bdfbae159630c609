import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LinuxCommands } from '../../../src/host/commands.js';

const longMs = 60_000;
function isSleeping(pid: number): boolean {
  try {
    return /^\d+ \(sleep\) [^Z]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** A child that a shell has forked becomes `sleep` a little later, and ends a little after its signal. */
async function until(isSo: () => boolean): Promise<void> {
  for (let left = 500; left > 0 && !isSo(); left -= 1) await sleep(20);
  assert.ok(isSo());
}

/** Run a script whose stdout ends in the pid of a `sleep 20` that it started. */
async function runWrapper(t: TestContext, script: string, waitMs: number) {
  const before = performance.now();
  const { status, stdout } = await new LinuxCommands().output(['/bin/sh', '-c', script], waitMs);
  const ms = performance.now() - before;
  const pid = Number(stdout);
  assert.ok(pid > 1, stdout);
  t.after(() => {
    if (isSleeping(pid)) process.kill(pid, 'SIGKILL');
  });
  return { status, ms, pid };
}

describe('LinuxCommands.output', () => {
  it('when a process that a wrapper started hangs, the time limit holds and ends that process too', async t => {
    const { status, ms, pid } = await runWrapper(t, 'sleep 20 & echo $!; wait', 500);
    assert.equal(status, 1);
    assert.ok(ms >= 490 && ms < 15_000, `${ms} ms`);
    await until(() => !isSleeping(pid));
  });

  it('when a command hangs and its child has left the process group, the time limit holds all the same', async t => {
    const { status, ms } = await runWrapper(t, 'setsid sleep 20 & echo $!; wait', 500);
    assert.equal(status, 1);
    assert.ok(ms >= 490 && ms < 15_000, `${ms} ms`);
  });

  it('when the command ends and leaves a process behind, we neither wait for that process nor end it', async t => {
    const { status, ms, pid } = await runWrapper(t, 'sleep 20 & echo $!', longMs);
    assert.equal(status, 0);
    assert.ok(ms < 10_000, `${ms} ms`);
    await until(() => isSleeping(pid));
  });

  it('when the command ends by itself, all its output is there', async () => {
    const script =
      'head -c 3000000 /dev/zero | tr "\\0" x; head -c 300000 /dev/zero | tr "\\0" y >&2; exit 3';
    const { status, stdout, stderr } = await new LinuxCommands().output(['/bin/sh', '-c', script], longMs);
    assert.equal(status, 3);
    assert.ok(stdout === 'x'.repeat(3_000_000) && stderr === 'y'.repeat(300_000));
  });

  it('when the command writes much and leaves a process behind, all its output is there', async () => {
    const script = 'head -c 100000 /dev/zero | tr "\\0" x; sleep 3 &';
    const { stdout } = await new LinuxCommands().output(['/bin/sh', '-c', script], longMs);
    assert.ok(stdout === 'x'.repeat(100_000));
  });

  it('when the command cannot be started, the call fails with that error and leaves no timer', async () => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
    const before = timers();
    await assert.rejects(new LinuxCommands().output(['/nonexistent/runc', 'state'], longMs), {
      code: 'ENOENT',
    });
    assert.equal(timers(), before);
  });

  it('when SIGINT comes, the command gets it as well', async () => {
    const script = "trap 'echo told; exit 5' INT; kill -INT $PPID; for n in $(seq 100); do sleep 0.1; done";
    const program = `
      import { LinuxCommands } from './src/host/commands.ts';
      process.on('SIGINT', () => {});
      const { status, stdout } = await new LinuxCommands().output(['/bin/sh', '-c', ${JSON.stringify(script)}], 20000);
      console.log(status, stdout.trim(), process.listenerCount('SIGINT'));
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 30_000,
      killSignal: 'SIGKILL',
    });
    const [said] = await once(child.stdout, 'data');
    assert.equal(String(said), '5 told 1\n');
  });
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { timedAndWatched } from '../../../../bench/machine/timed.js';
import { isStopped, watch } from '../../../../bench/machine/watch.js';

/** A program that takes 64 MiB of memory and a quarter of a second of processor time. */
const busy = `const taken = Buffer.alloc(64 << 20, 1); const until = process.cpuUsage().user + 250_000;
while (process.cpuUsage().user < until) taken[0] += 1;`;

describe('timedAndWatched', () => {
  it('when a command takes memory and time, both are measured', async () => {
    const words = [process.execPath, '-e', busy];
    const { ms, use } = await timedAndWatched(words, {}, pid => ({ find: () => pid }));
    assert.ok(use && use.peakBytes > 64 << 20, JSON.stringify(use));
    assert.ok(use.cpuMs >= 200 && ms >= 200, JSON.stringify({ ms, use }));
  });

  it('when the line from which time counts never comes, no time is given', async () => {
    const request = { find: () => process.pid, counts: () => false };
    assert.equal((await timedAndWatched(['/bin/true'], {}, () => request)).use, undefined);
  });

  it('when the command fails, the last lines of its output are the error', async () => {
    const words = ['/bin/sh', '-c', 'echo no room >&2; exit 3'];
    await assert.rejects(
      timedAndWatched(words, {}, pid => ({ find: () => pid })),
      /status 3\nno room/,
    );
  });
});

describe('watch', () => {
  it('when a process writes, the bytes are counted', async t => {
    const writer = 'read x; printf %3000000d 0 >/dev/null; sleep 10';
    const child = spawn('bash', ['-c', writer]);
    t.after(() => child.kill('SIGKILL'));
    const stop = watch({ find: () => child.pid });
    t.after(stop);
    await sleep(50);
    child.stdin.write('go\n');
    const wrote = () => /^wchar: 3\d{6}$/m.test(fs.readFileSync(`/proc/${child.pid}/io`, 'latin1'));
    for (let n = 0; n < 500 && !wrote(); n++) await sleep(20);
    await sleep(50);
    assert.ok((stop()?.writtenBytes ?? 0) >= 3_000_000);
  });

  it('when the process ended before the first sample, no figure is given', async t => {
    const child = spawn('/bin/true');
    await new Promise(resolve => child.on('exit', resolve));
    const stop = watch({ find: () => child.pid });
    t.after(stop);
    await new Promise(resolve => setTimeout(resolve, 20));
    assert.equal(stop(), undefined);
  });

  it('when a process sleeps or a signal has stopped it, it does not count as stopped by CRIU', t => {
    const child = spawn('sleep', ['10']);
    t.after(() => child.kill('SIGKILL'));
    assert.equal(isStopped(child.pid as number), false);
    child.kill('SIGSTOP');
    assert.equal(isStopped(child.pid as number), false);
  });
});

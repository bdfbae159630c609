/**
 * Either side of a move is stopped for longer than the other side waits, as under SIGSTOP or in a virtual
 * machine that is paused. GHOSTKEEP_STOP_SECONDS makes the stop longer.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gateWith } from './gate.js';
import { command, filesIn, ghostFile, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { me } from './rounds.js';

/** Longer than the 30 s after which a silent side is taken for dead. */
const stopMs = 1000 * Number(process.env['GHOSTKEEP_STOP_SECONDS'] ?? 33);
const content = randomBytes(150 << 20);
const why = 'tables of receivers lie in /run';

function start(args: readonly string[], out: 'pipe' | 'ignore'): ChildProcess {
  const [program, ...words] = command;
  return spawn(program, [...words, ...args], { stdio: ['ignore', out, 'pipe'] });
}

/** A sender in the middle of its ghost, and the receiver that a listener has started for it. */
async function halfway(t: TestContext) {
  const folder = temporaryFolder(t, '/dev/shm');
  const [there, socket] = [`${folder}/there`, `${folder}/socket`];
  ghostFile(t, folder, 'ghost', content);
  const listener = start(['receive', '-D', there, '--listen', socket], 'pipe');
  t.after(() => listener.kill());
  await once(listener.stdout as NodeJS.ReadableStream, 'data');
  const sender = start(['pre-dump', '--pid', me, '--to', socket], 'ignore');
  t.after(() => sender.kill('SIGKILL'));
  const ended = once(sender, 'exit');
  let said = '';
  sender.stderr?.setEncoding('utf8').on('data', text => {
    said += text;
  });
  const arrived = () => fs.readdirSync(there).length > 0 && filesIn(there).find(name => /\.data$/.test(name));
  while (!fs.existsSync(there) || !arrived()) await sleep(1);
  const [receiver = 0] = childrenOf(listener.pid as number);
  return { sender, ended, receiver, said: () => said, copy: () => `${there}/${arrived()}` };
}

function childrenOf(pid: number): number[] {
  return fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .split(' ')
    .filter(text => text !== '')
    .map(Number);
}

describe('a move', { concurrency: true }, () => {
  for (const side of ['sender', 'receiver'] as const)
    it(`a move goes on over another connection when its ${side} was stopped until the other side took it for dead`, async t => {
      if (!needs(t, isRoot, why)) return;
      const { sender, ended, receiver, said, copy } = await halfway(t);
      const pid = side === 'sender' ? (sender.pid as number) : receiver;
      process.kill(pid, 'SIGSTOP');
      await sleep(stopMs);
      try {
        process.kill(pid, 'SIGCONT');
      } catch {
        // The listener has killed a receiver that was silent when the sender came again.
      }
      const [status] = await ended;
      assert.equal(status, 0, said());
      assert.match(said(), /connecting again/, 'it was stopped too late');
      assert.ok(fs.readFileSync(copy()).equals(content), 'other bytes');
    });

  it('the move of a frozen container is refused when the receiver is stopped for longer than moveDeadline', async t => {
    if (!needs(t, isRoot, why)) return;
    const folder = temporaryFolder(t, '/dev/shm');
    const [images, there] = [`${folder}/images`, `${folder}/there`];
    fs.mkdirSync(images);
    ghostFile(t, folder, 'ghost', content.subarray(0, 9 << 20));
    const script = `#!/bin/sh\necho $$ >>${folder}/pids\nexec ${[...command, 'receive', '-D', there].join(' ')}\n`;
    fs.writeFileSync(`${folder}/receive`, script, { mode: 0o755 });
    const gate = gateWith(t, folder, images, { moveTo: `via:${folder}/receive`, moveDeadline: 2 });
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    assert.deepEqual(await gate.ask(`warm ${me}`), ['done']);
    const receiver = Number(fs.readFileSync(`${folder}/pids`, 'latin1'));
    process.kill(receiver, 'SIGSTOP');
    // Nobody answers the next connection.
    fs.writeFileSync(`${folder}/receive`, '#!/bin/sh\nexec sleep 600\n');
    const from = performance.now();
    const [answer = ''] = await gate.ask(`checkpoint ${me}`);
    assert.match(answer, /^refuse .*\[MOVE_LOST\]$/);
    const ms = performance.now() - from;
    assert.ok(ms < 10_000, `the container was frozen for ${ms} ms`);
    assert.deepEqual(await gate.ask('finish 1'), ['done']);
    assert.deepEqual(filesIn(images), ['ghostkeep.log']);
  });
});

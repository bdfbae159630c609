/**
 * `ghostkeep forget` is killed by SIGKILL at any moment. forget.test.ts stops it at each step of its own; here
 * the kernel does it, also between two steps and before the first.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { forget } from '../../src/flows/forget/forget.js';
import { pack } from '../../src/flows/history/pack.js';
import { randomFrom, seed } from '../random.js';
import { command, flows, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Contents, dumpInto, LivingGhosts, unit } from './history-of-ghosts.js';

const kills = Number(process.env['GHOSTKEEP_KILLS'] ?? 12);
/** Nothing that was written is lost by a kill, so this needs no disk. */
const memory = '/dev/shm';

describe('forget', () => {
  it(`a SIGKILL of forget at any moment costs no other checkpoint, and the next run finishes (GHOSTKEEP_SEED=${seed})`, async t => {
    const random = randomFrom(seed);
    const disk = temporaryFolder(t, memory);
    const ghosts = new LivingGhosts(t, temporaryFolder(t), random);
    for (let count = 0; count < 3; count += 1) ghosts.come(8 * unit + random(40 * unit));
    const nights: [name: string, contents: Contents][] = [];
    for (const [night, parent] of [-1, 0, 1, 1, 0].entries()) {
      ghosts.change();
      await dumpInto(`${disk}/${night}`);
      nights.push([`${night}`, ghosts.contents()]);
      if (parent >= 0) await pack(flows(), { images: `${disk}/${night}`, parent: `${disk}/${parent}` });
    }
    let killed = 0;
    // A kill may come at any time of a run, so we measure how long one takes on this machine.
    let longestMs = 0;
    for (let round = -1; round < kills; round += 1) {
      const copy = `${temporaryFolder(t, memory)}/disk`;
      fs.cpSync(disk, copy, { recursive: true });
      const [[gone], others] = take(nights, round < 0 ? 1 : random(nights.length));
      const assertOthers = async () => {
        for (const [name, contents] of others) await assertHolds(t, `${copy}/${name}`, contents, memory);
      };
      try {
        if (round < 0) {
          const begun = performance.now();
          assert.equal(ghostkeep(['forget', '-D', `${copy}/${gone}`]).status, 0);
          longestMs = Math.ceil(performance.now() - begun);
          await assertOthers();
          continue;
        }
        const [file, ...args] = [...command, 'forget', '-D', `${copy}/${gone}`] as [string, ...string[]];
        const child = spawn(file, args, { stdio: 'ignore' });
        const ended = once(child, 'exit');
        const waitMs = random(longestMs);
        await sleep(waitMs);
        child.kill('SIGKILL');
        const [, signal] = await ended;
        if (signal === 'SIGKILL') killed += 1;
        else longestMs = Math.max(20, waitMs);
        await assertOthers();
        if (fs.existsSync(`${copy}/${gone}`)) await forget(flows(), { images: `${copy}/${gone}` });
        assert.equal(fs.existsSync(`${copy}/${gone}`), false);
        await assertOthers();
      } catch (error) {
        throw new Error(`seed ${seed}, round ${round}: ${gone} went`, { cause: error });
      } finally {
        fs.rmSync(copy, { recursive: true });
      }
    }
    t.diagnostic(`${kills} kills, ${kills - killed} of them came too late`);
  });
});

function take<T>(all: readonly T[], index: number): [T, T[]] {
  return [all[index] as T, all.toSpliced(index, 1)];
}

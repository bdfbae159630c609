import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inParallel } from '../../../src/base/parallel.js';

describe('inParallel', () => {
  it('when later items end first, the results keep the order of the items', async () => {
    const results = await inParallel([4, 3, 2, 1], 4, async (turns, index) => {
      for (let n = 0; n < turns; n += 1) await turn();
      return `${index}:${turns}`;
    });
    assert.deepEqual(results, ['0:4', '1:3', '2:2', '3:1']);
  });

  it('when there are more items than the width, no more than the width run at once', async () => {
    let running = 0;
    let most = 0;
    await inParallel(Array.from({ length: 20 }), 3, async () => {
      running += 1;
      most = Math.max(most, running);
      await turn();
      running -= 1;
    });
    assert.equal(most, 3);
  });

  it('when one item fails, no new item starts and running ones are awaited', async () => {
    const events: string[] = [];
    await assert.rejects(
      inParallel(['slow', 'bad', 'never'], 2, async item => {
        events.push(`start ${item}`);
        if (item === 'bad') throw new Error('bad broke');
        await turn();
        await turn();
        events.push(`end ${item}`);
      }),
      /^Error: bad broke$/,
    );
    assert.deepEqual(events, ['start slow', 'start bad', 'end slow']);
  });

  it('when undefined is thrown, the call still fails', async () => {
    await assert.rejects(
      inParallel([1], 1, () => Promise.reject(undefined)),
      error => error === undefined,
    );
  });

  it('when there are no items, the result is empty', async () => {
    assert.deepEqual(await inParallel([], 4, async () => 1), []);
  });
});

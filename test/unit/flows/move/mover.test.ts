/** The mover, with senders that lose their connection. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineReport, Sending } from '../../../../src/base/host/host.js';
import { Mover } from '../../../../src/flows/move/mover.js';
import { ghostkeepError } from '../../expect.js';
import { fakeContext, fakeHost } from '../../fake-host.js';

const errno = (code: string) => Object.assign(new Error(`${code}: made up`), { code });
const receiver = '0123456789abcdef0123456789abcdef';

/** @param fails is asked before each call, and throws */
function setUp(fails: (call: string, connection: number) => void, more: { isUrgent?: boolean } = {}) {
  let connection = 0;
  let needs: number[] = [];
  const calls: string[] = [];
  const call = (name: string) => {
    calls.push(`${connection} ${name}`);
    fails(name, connection);
  };
  const sending: Sending = {
    start: () => ({ pid: 1, to: 2, from: 3 }),
    end: async () => 0,
    open: async () => {
      connection += 1;
      call('open');
      return BigInt(connection);
    },
    close: () => 0n,
    useTables: () => {},
    waitForSteps: () => {},
    say: async () => {},
    answer: async () => {
      if (calls.at(-1)?.endsWith('open')) {
        calls.push(`${connection} welcome`);
        return Buffer.from(JSON.stringify({ receiver, build: 'x' }));
      }
      call('committed');
      return Buffer.from(JSON.stringify({ needs: needs.length }));
    },
    failure: () => Buffer.from(JSON.stringify({ code: 'NO_SPACE', subject: 'd', message: 'full\u001b[2J' })),
    ghost: async (_, { key }) => {
      call(key);
      return {} as EngineReport;
    },
    needed: () => needs.splice(0),
    file: async () => ({}) as EngineReport,
  };
  const files = fakeHost().files;
  const host = { ...fakeHost(), files, sending, clock: () => performance.now() };
  host.files.openFolder = () => files.create(`/tables-${calls.length}`);
  const context = fakeContext(host);
  const mover = new Mover(context, { words: ['/x'], environment: {}, shown: 'there' }, 'round', {
    resumeMs: 300,
    patienceMs: 100,
    ...more,
  });
  const keys = ['a', 'b', 'c'];
  const sendAll = () =>
    mover.sendAll(
      { count: keys.length, bytes: () => 0n },
      async (send, index) => void (await send(1, 1n, keys[index] as string, 'auto')),
      () => keys,
    );
  return { mover, calls, sendAll, ask: (list: number[]) => (needs = list), context };
}

describe('a mover', () => {
  it('a mover that loses a connection sends everything again over a new one', async () => {
    const { calls, sendAll, context } = setUp((call, connection) => {
      if (connection === 1 && call === 'b') throw errno('EPIPE');
      if (connection === 2 && call === 'committed') throw errno('ETIMEDOUT');
    });
    await sendAll();
    assert.deepEqual(
      calls.filter(call => !call.endsWith('welcome')),
      [
        ...['1 open', '1 a', '1 b'],
        ...['2 open', '2 a', '2 b', '2 c', '2 committed'],
        ...['3 open', '3 a', '3 b', '3 c', '3 committed'],
      ],
    );
    assert.equal(context.lines.filter(line => line.endsWith('connecting again')).length, 2);
  });

  it('a mover gives up when it cannot connect again in time, and the error names the first loss', async () => {
    const { sendAll } = setUp((call, connection) => {
      if (call === 'b' || (call === 'open' && connection > 1)) throw errno('EPIPE');
    });
    await assert.rejects(sendAll(), ghostkeepError('MOVE_LOST', 'cannot send to there: EPIPE: made up'));
  });

  it('a mover does not wait longer for a receiver that connects again and again and takes nothing', async () => {
    const { sendAll } = setUp(
      call => {
        if (call === 'b') throw errno('ETIMEDOUT');
      },
      { isUrgent: true },
    );
    const start = performance.now();
    await assert.rejects(sendAll(), ghostkeepError('MOVE_LOST', 'cannot send to there: ETIMEDOUT: made up'));
    assert.ok(performance.now() - start < 20_000);
  });

  it('a mover does not end when the receiver asks for blocks of a ghost that does not exist', async () => {
    const { sendAll, ask, calls } = setUp((_, connection) => {
      if (connection === 1) needless();
    });
    const needless = () => ask([7]);
    await sendAll();
    assert.ok(calls.includes('2 committed'), 'the first answer was believed');
  });

  it('a mover sends only those ghosts again of which the receiver needs blocks', async () => {
    const { calls, sendAll, ask } = setUp(() => {});
    ask([1]);
    await sendAll();
    assert.deepEqual(calls.slice(2), ['1 a', '1 b', '1 c', '1 committed', '1 b', '1 committed']);
  });

  it("a mover ends at once when the receiver has given up or a ghost cannot be read, and escapes the receiver's text", async () => {
    const refused = setUp(call => {
      if (call === 'b') throw errno('ECONNREFUSED');
    });
    await assert.rejects(
      refused.sendAll(),
      ghostkeepError('MOVE_REFUSED', 'there has given up: full\\x1b[2J [NO_SPACE]'),
    );
    const unreadable = setUp(call => {
      if (call === 'b') throw errno('EIO');
    });
    await assert.rejects(unreadable.sendAll(), { code: 'EIO' });
    assert.ok(!unreadable.calls.some(call => call.startsWith('2')));
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeBases } from '../../../../../src/flows/doctor/examinations/leftovers.js';

describe('the line of doctor about bases', () => {
  it('doctor says of bases whether a checkpoint may still use them, and how they are removed', () => {
    const one = { folder: '/bases', count: 2, bytes: 3 << 20, pids: [] };
    const findings = [
      describeBases({ ...one, state: 'awaited', pids: [100], container: 'mydb' }),
      describeBases({ ...one, state: 'left-over' }),
      describeBases({ ...one, state: 'removed' }),
    ];
    assert.deepEqual(
      findings.map(({ status, says, command }) => [status, says, command]),
      [
        [
          'ok',
          '2 bases of container mydb in /bases, 3 MiB: process 100 lives, and its next checkpoint takes them',
          undefined,
        ],
        ['broken', '2 bases in /bases, 3 MiB: nobody comes for them', 'ghostkeep doctor --clean'],
        ['ok', '2 bases in /bases, 3 MiB: nobody came for them: removed', undefined],
      ],
    );
  });
});

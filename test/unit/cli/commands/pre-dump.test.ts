import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { showPreDump, withCount } from '../../../../src/cli/commands/pre-dump.js';

const ghost = { path: '/data/x', dev: '8:1', ino: 7, size: 1 << 30, bytes: 1 << 30, differed: 5 } as const;

describe('showPreDump', () => {
  it('when there were two rounds, each has a line, and the last line estimates how long the freeze will take', () => {
    const text = showPreDump({
      images: '/bases',
      rounds: [
        { bytes: 1 << 30, differed: 1 << 30, ms: 1234 },
        { bytes: 1 << 30, differed: 3 << 20, ms: 240 },
      ],
      ghosts: [
        { ...ghost, done: 'base' },
        { ...ghost, ino: 8, done: 'nothing', why: 'no room' },
        { ...ghost, ino: 9, done: 'nothing', why: 'no room' },
      ],
      freeze: { estimateMs: 240, measured: 'comparing' },
    });
    assert.deepEqual(text.split('\n'), [
      'round 1: 1 GiB in 1.23 s, of which 1 GiB had changed or were new',
      'round 2: 1 GiB in 0.24 s, of which 3 MiB had changed or were new',
      '1 ghost has a base in /bases, 0 were written to their disk',
      '8:1/8, 8:1/9 not copied: no room',
      'estimate: copying these ghosts will take about 0.24 s of the freeze',
      '',
    ]);
  });
});

describe('withCount', () => {
  it('when --until-stable has no count, it gets one, and other options stay as they are', () => {
    const given = ['--until-stable', '--pid', '7', '-D', 'x'];
    assert.deepEqual(withCount(given), ['--until-stable=10', '--pid', '7', '-D', 'x']);
    for (const args of [['--until-stable', '3'], ['--until-stable=3'], ['--pid', '3']])
      assert.deepEqual(withCount(args), args);
    assert.deepEqual(withCount(['--until-stable']), ['--until-stable=10']);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { showScan } from '../../../../src/cli/print/show-scan.js';
import { aManifestGhost } from '../../a-manifest.js';

const ghost = (ino: number, keep: 'ghostkeep' | 'criu' | 'no', why: string) => ({
  ...aManifestGhost({ ino }),
  keep,
  why,
});
const below = (...ghosts: ReturnType<typeof ghost>[]) =>
  showScan({ ghosts, unseen: [] })
    .split('\n')
    .slice(ghosts.length + 1, -2);

describe('showScan', () => {
  it('when ghosts are not kept by ghostkeep, the output says who keeps which and why', () => {
    assert.deepEqual(
      below(
        ghost(1, 'criu', 'memfd: CRIU keeps it itself'),
        ghost(2, 'no', 'its mount is unknown'),
        ghost(3, 'criu', 'memfd: CRIU keeps it itself'),
      ),
      [
        '8:1/1, 8:1/3 left to CRIU: memfd: CRIU keeps it itself',
        'a checkpoint is refused: /data/tmp (process 100): its mount is unknown',
      ],
    );
  });

  it('when many ghosts share a reason, the line names the first and counts the others', () => {
    const many = Array.from({ length: 50_000 }, (_, n) => ghost(n + 1, 'criu', 'memfd'));
    const [line = '', ...more] = below(...many);
    assert.match(line, /^8:1\/1, .*8:1\/8 and 49992 more left to CRIU: memfd$/);
    assert.deepEqual(more, []);
  });

  it('when several processes hold ghosts, those that hold most are compared, and the others are counted', () => {
    const processes = [1, 2, 3, 4, 5, 6, 7].map(n => ({
      pid: 100 + n,
      command: `holder${n}`,
      ghosts: n,
      allocated: (10 - n) << 20,
    }));
    const shown = (count: number) =>
      showScan({ ghosts: [], unseen: [], processes: processes.slice(0, count) }).split('\n');
    assert.deepEqual(shown(7).slice(0, 9), [
      '',
      'allocated  ghosts  pid  command',
      '    9 MiB       1  101  holder1',
      '    8 MiB       2  102  holder2',
      '    7 MiB       3  103  holder3',
      '    6 MiB       4  104  holder4',
      '    5 MiB       5  105  holder5',
      'and 2 processes more; --json has all',
      '',
    ]);
    assert.doesNotMatch(shown(2).join('\n'), /more/);
    assert.deepEqual(shown(1), ['0 ghosts, 0 B allocated', '']);
  });

  it('when there are more containers than the output may list, the others are counted', () => {
    const containers = ['a', 'b', 'c'].map(id => ({ id, ghosts: 1, allocated: 4096 }));
    const lines = showScan({ ghosts: [], unseen: [], containers }, { mostContainers: 2 }).split('\n');
    assert.deepEqual(lines.slice(2, 5), [
      '    4 KiB       1  a',
      '    4 KiB       1  b',
      'and 1 container more; --json has all',
    ]);
  });

  it('when there is no gate, the output says so only if a ghost needs the gate', () => {
    const says = (keep: 'ghostkeep' | 'criu', hasGate: boolean) =>
      /no gate/.test(showScan({ ghosts: [ghost(1, keep, 'x')], unseen: [] }, { hasGate }));
    assert.deepEqual(
      [says('ghostkeep', false), says('ghostkeep', true), says('criu', false)],
      [true, false, false],
    );
  });

  it('when there is no ghost, there is no table, and processes that have ended are not listed', () => {
    const ended = { pid: 100, what: 'process', why: 'it ended while it was looked at' };
    const refused = { pid: 101, what: 'map_files 1-2', why: 'EIO' };
    assert.equal(
      showScan({ ghosts: [], unseen: [ended, refused] }),
      '0 ghosts, 0 B allocated\nnot looked at: process 101: map_files: EIO\n',
    );
  });

  it('when ghostkeep keeps all ghosts, the output has no explanation', () => {
    assert.deepEqual(below(ghost(1, 'ghostkeep', 'a regular file that exists nowhere else')), []);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logScale, plotRows } from '../../../../bench/report/plot.js';
import { markdown } from '../../../../bench/report/report.js';
import { makeRow } from '../../../../bench/report/row.js';

const machine = {
  date: '2026-01-02T03:04:05.000Z',
  ghostkeep: '0.1.0',
  commit: 'abc',
  processor: 'Some Processor',
  cores: 2,
  memoryGiB: 24,
  kernel: '6.12.1',
  node: 'v20.0.0',
};
const common = { suite: 'dump', case: 'dense-1g total', state: 'dirty', target: 0.05 };
const rows = [
  makeRow({ ...common, filesystem: 'xfs', samples: { ghostkeep: [20, 30, 40], 'criu<seek>': [600] } }),
  makeRow({
    ...common,
    filesystem: 'ext4',
    samples: { ghostkeep: [300], 'criu<seek>': [600] },
    unequal: new Set(['criu<seek>']),
    bytes: { ghostkeep: 6144 },
    dataOnly: { ghostkeep: 4096 },
    atWork: [1.5],
    peakBytes: { ghostkeep: 96 << 20 },
    targetBytes: 120 << 20,
    writtenBytes: 2 << 20,
    targetWritten: 3 << 20,
  }),
];

describe('markdown', () => {
  it('when there are rows, each has its medians with ranges, its ratio and target, and the machine stands below the table', () => {
    const lines = markdown({
      suite: 'dump',
      machine,
      programs: { criu: '4.1.1' },
      quick: false,
      missing: { lsfd: 'too old' },
      rows,
    }).split('\n');
    assert.equal(
      lines[2],
      '| dense-1g total | xfs | dirty | 30.0 (20.0 to 40.0) | criu<seek> 600 | 0.050 | 0.05 | 3 rounds | yes |',
    );
    assert.match(
      lines[3] as string,
      /\| on disk: ghostkeep 6 KiB; of this beside the content: ghostkeep 2 KiB; 1\.5 processors at work; peak memory: ghostkeep 96\.0 MiB \(at most 120\.0 MiB\); written while paused: 2\.0 MiB \(at most 3\.0 MiB\); 1 rounds \| NO: criu<seek> \|$/,
    );
    assert.match(
      lines[5] as string,
      /0\.1\.0 \(abc\).*2 × Some Processor, 24 GiB, Linux 6\.12\.1; Node v20\.0\.0, criu 4\.1\.1\./,
    );
    assert.equal(lines[6], 'Without lsfd: too old.');
  });
});

describe('logScale', () => {
  it('when values span decades, the ticks are the powers of ten around them, evenly spaced', () => {
    const { at, ticks } = logScale([0.4, 20, 3000]);
    assert.deepEqual(ticks, [0.1, 1, 10, 100, 1000, 10000]);
    assert.deepEqual(
      ticks.map(tick => Number(at(tick).toFixed(6))),
      [0, 0.2, 0.4, 0.6, 0.8, 1],
    );
  });
});

describe('plotRows', () => {
  const plot = plotRows('a & b', rows);

  it('when a value is ten times another, its bar is longer by one step of the logarithmic scale', () => {
    const widths = [...plot.matchAll(/height="8" fill="#111111"/g)];
    assert.equal(widths.length, rows.length);
    const width = (ms: number) =>
      Number(
        new RegExp(`width="([0-9.]+)" height="8"[^>]*/>\\n<path[^>]*/>\\n<text[^>]*>${ms}[ <]`).exec(
          plot,
        )?.[1],
      );
    assert.ok(Math.abs(width(300) - width(30) - 150) < 0.2, `${width(300)} and ${width(30)}`);
  });

  it('when memory was measured, the figure stands behind the time', () => {
    assert.match(plot, />300 \(96 MiB\)</);
    assert.match(plot, />30</);
  });

  it('when names have characters of markup in them, they are escaped', () => {
    assert.match(plot, /criu&#60;seek&#62;/);
    assert.match(plot, /<title>a &#38; b<\/title>/);
    assert.doesNotMatch(plot, /criu</);
  });
});

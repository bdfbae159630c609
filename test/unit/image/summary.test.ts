import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest } from '../../../src/base/documents/generated/manifest.js';
import { showSummary, summarize } from '../../../src/image/summary.js';

const mib = 2 ** 20;
type Data = { bytes: number; kept?: number; ways?: string[] };

const of = (...all: (Data | undefined)[]) =>
  ({
    ghosts: all.map(data => ({ key: [], ...(data ? { data: { ways: ['read/write'], ...data } } : {}) })),
  }) as unknown as Manifest;

describe('the summary of a checkpoint', () => {
  it('the summary counts bytes of images from before the freeze apart, and does not count the heads of images', () => {
    const manifest = of(
      { bytes: 8 * mib, kept: 6 * mib },
      { bytes: 2 * mib, kept: 2 * mib + 300 },
      { bytes: mib },
    );
    assert.deepEqual(summarize(manifest), {
      ghosts: 3,
      bytes: BigInt(11 * mib),
      beforeFreeze: BigInt(8 * mib),
      shared: 0n,
    });
    assert.equal(
      showSummary(manifest),
      '3 ghosts, 11 MiB of data: 8 MiB copied before the freeze, 3 MiB while frozen',
    );
  });

  it('blocks that are shared were not copied, and the summary says so', () => {
    assert.equal(
      showSummary(of({ bytes: 8 * mib, ways: ['reflink'] }, { bytes: mib, ways: ['reflink', 'read/write'] })),
      '2 ghosts, 9 MiB of data: 0 B copied before the freeze, 9 MiB while frozen, 8 MiB of it by sharing blocks',
    );
  });

  it('a ghost that CRIU has dumped itself has no data of ours', () => {
    assert.equal(
      showSummary(of(undefined)),
      '1 ghost, 0 B of data: 0 B copied before the freeze, 0 B while frozen',
    );
    assert.equal(showSummary(of()), '0 ghosts');
  });
});

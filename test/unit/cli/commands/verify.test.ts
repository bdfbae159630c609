import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { showChecked } from '../../../../src/cli/commands/verify.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';

const data = { bytes: 5, chunks: 1, unwritten: 0, imageBytes: 9, engine: 'seek', fallbacks: 0 } as const;
const without = aManifestGhost({ data: { ...data, ways: [] } });
const withDigest = aManifestGhost({ data: { ...data, ways: [], digest: 'crc32c:00000000' } });
const checked = (...ghosts: (typeof without)[]) => showChecked(aManifest({ ghosts }));

describe('showChecked', () => {
  it('when no image has a digest, the output says that only the structure was checked, and how to have digests', () => {
    assert.equal(
      checked(without, aManifestGhost()),
      '2 ghosts, no damage found; structure only: no checksums were recorded (policy `verify: digest`)',
    );
  });

  it('when some images have a digest, the output says how many', () => {
    assert.match(checked(withDigest, without), /^2 ghosts, no damage found; structure only for 1: /);
  });

  it('when files were left out of the dump, the output says how many, because no other line would', () => {
    const one = { pid: 100, what: 'fd 3', why: 'it cannot be opened from here' };
    const text = (leftOut: (typeof one)[], leftOutMore?: number) =>
      showChecked(aManifest({ ghosts: [withDigest], leftOut, ...(leftOutMore ? { leftOutMore } : {}) }));
    assert.equal(
      text([one]),
      '1 ghost, no damage found; 1 file left out of the dump (`ghostkeep show` says why)',
    );
    assert.match(text([one, one], 7), /; 9 files left out of the dump /);
  });

  it('when linked ghosts have other names, the output counts them apart, and counts those with content only once', () => {
    const links = [
      { key: 'file[1e:1]', mount: 30, path: '/data/other' },
      { key: 'file[1f:2]', mount: 31, path: '/dev/shm/sem.a' },
    ];
    const text = (...ghosts: (typeof without)[]) => showChecked(aManifest({ ghosts, links }));
    assert.equal(text(), '0 ghosts and 2 files with other names, no damage found');
    const copied = { ...withDigest, key: ['file[1f:2]'] };
    assert.equal(text(copied), '1 ghost and 1 file with other names, no damage found');
  });

  it('when all images have a digest, or there is no image, the output adds no explanation', () => {
    assert.equal(checked(withDigest), '1 ghost, no damage found');
    assert.equal(checked(), '0 ghosts, no damage found');
  });
});

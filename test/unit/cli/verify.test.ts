import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { showChecked } from '../../../src/cli/commands/verify.js';
import { aManifest, aManifestGhost } from '../a-manifest.js';

const data = { bytes: 5, chunks: 1, unwritten: 0, imageBytes: 9, engine: 'seek', fallbacks: 0 } as const;
const without = aManifestGhost({ data: { ...data, ways: [] } });
const withDigest = aManifestGhost({ data: { ...data, ways: [], digest: 'crc32c:00000000' } });
const checked = (...ghosts: (typeof without)[]) => showChecked(aManifest({ ghosts }));

describe('showChecked', () => {
  it('when no image has a digest, only the structure was checked, and it says how to have more', () => {
    assert.equal(
      checked(without, aManifestGhost()),
      '2 ghosts, no damage found; structure only: no checksums were recorded (policy `verify: digest`)',
    );
  });

  it('when some have one, it says how many', () => {
    assert.match(checked(withDigest, without), /^2 ghosts, no damage found; structure only for 1: /);
  });

  it('when all have one, or there are none, there is nothing to add', () => {
    assert.equal(checked(withDigest), '1 ghosts, no damage found');
    assert.equal(checked(), '0 ghosts, no damage found');
  });
});

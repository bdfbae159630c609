import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ManifestGhost } from '../../../src/base/documents/generated/manifest.js';
import { pairGhosts } from '../../../src/chain/pair.js';
import { aManifestGhost } from '../a-manifest.js';

let id = 0;
const ghost = (values: Partial<ManifestGhost>) => aManifestGhost({ id: ++id, ...values });
const pairsOf = (ghosts: ManifestGhost[], earlier: ManifestGhost[]) =>
  [...pairGhosts(ghosts, earlier)].map(([one, other]) => [one.id, other.id]);

describe('the pairs of two checkpoints', () => {
  it('when a file was renamed between two checkpoints, its inode and time of birth still make the pair', () => {
    const before = ghost({ ino: 7, birth: '5.000000000', path: '/tmp/a' });
    const now = ghost({ ino: 7, birth: '5.000000000', path: '/tmp/b' });
    assert.deepEqual(pairsOf([now], [before]), [[now.id, before.id]]);
  });

  it('when an inode number was used again between two checkpoints, the two files are no pair', () => {
    const before = ghost({ ino: 7, birth: '5.000000000', path: '/tmp/a' });
    const now = ghost({ ino: 7, birth: '6.000000000', path: '/tmp/b' });
    assert.deepEqual(pairsOf([now], [before]), []);
  });

  it('when there is no time of birth, the number alone is no pair', () => {
    const now = ghost({ ino: 7, path: '/tmp/b' });
    const before = [ghost({ ino: 7, path: '/tmp/a' }), ghost({ ino: 8, path: '/tmp/b' })];
    assert.deepEqual(pairsOf([now], before), [[now.id, before[1]?.id]]);
  });

  it('when the container was restored between two checkpoints, files are paired by a path that only one of them has', () => {
    const before = [1, 2, 3].map(ino => ghost({ ino, path: ino === 3 ? '/tmp/b' : '/tmp/a' }));
    const now = [11, 12, 13].map(ino => ghost({ ino, path: ino === 13 ? '/tmp/b' : '/tmp/a' }));
    assert.deepEqual(pairsOf(now, before), [[now[2]?.id, before[2]?.id]]);
  });

  it('a ghost that came or went between two checkpoints has no partner', () => {
    const [gone, stayed] = [ghost({ ino: 1, path: '/a' }), ghost({ ino: 2, path: '/b' })];
    const [still, came] = [ghost({ ino: 2, path: '/b' }), ghost({ ino: 3, path: '/c' })];
    assert.deepEqual(pairsOf([still, came], [gone, stayed]), [[still.id, stayed.id]]);
  });
});

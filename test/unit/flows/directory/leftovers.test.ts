import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { removeLeftovers, removeWarmImages } from '../../../../src/flows/directory/leftovers.js';
import { aManifest, aManifestGhost } from '../../a-manifest.js';
import { errno, fakeContext } from '../../fake-host.js';

const images = '/img';
const warm = 'ghostkeep/warm-0123456789ab-1.img';

function left(names: Record<string, string>) {
  const context = fakeContext();
  for (const [name, text] of Object.entries({ ...names, 'files.img': 'of CRIU' }))
    context.host.files.put(`${images}/${name}`, text);
  const ours = () =>
    Object.keys(context.host.files.snapshot())
      .map(name => name.slice(images.length + 1))
      .filter(name => name.startsWith('ghost'));
  return { context, ours };
}

const manifest = (image: string) => JSON.stringify(aManifest({ ghosts: [aManifestGhost({ image })] }));

describe('leftovers of a dump that was killed', () => {
  it('when no journal names the leftover images, they are removed with their folder, and the sealed dump stays', () => {
    for (const sealed of [{}, { 'ghostkeep-manifest.json': manifest('ghost-file-1.img') }]) {
      const { context, ours } = left({ ...sealed, [warm]: 'x', 'ghostkeep/reserve': 'x' });
      removeLeftovers(context, images);
      assert.deepEqual(ours(), Object.keys(sealed));
      assert.ok(!context.host.files.exists(`${images}/ghostkeep`));
    }
  });

  it('when a journal or a manifest names the leftover images, they stay', () => {
    const leads = {
      'ghostkeep/journal.json': manifest(warm),
      'ghostkeep/manifest.json': manifest('ghostkeep/linked-1.img'),
      // Somebody has moved an old manifest to where the new one is.
      'ghostkeep-manifest.json': manifest('ghostkeep/linked-1.img'),
    };
    for (const [name, text] of Object.entries(leads)) {
      const { context, ours } = left({ [name]: text, [warm]: 'x', 'ghostkeep/linked-1.img': 'x' });
      removeLeftovers(context, images);
      assert.deepEqual(ours(), [name, 'ghostkeep/linked-1.img', warm].sort());
    }
  });

  it('when the folder belongs to another user, or cannot be removed, it stays and the work goes on', () => {
    const other = left({ [warm]: 'x' });
    other.context.host.uid = () => 1000;
    const busy = left({ [warm]: 'x' });
    busy.context.host.files.removeTree = () => {
      throw errno('EROFS');
    };
    for (const { context, ours } of [other, busy]) {
      removeLeftovers(context, images);
      assert.deepEqual(ours(), [warm]);
    }
    assert.match(busy.context.lines.join('\n'), /^info cannot remove .*EROFS/m);
  });

  it('when an older dump is still to be sealed, the warm images that it uses stay', () => {
    const taken = 'ghostkeep/warm-ba9876543210-1.img';
    const { context, ours } = left({ 'ghostkeep/journal.json': manifest(taken), [taken]: 'x', [warm]: 'x' });
    removeWarmImages(context, images);
    assert.deepEqual(ours(), ['ghostkeep/journal.json', taken]);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WarmImages } from '../../../../src/flows/dump/warm-images.js';
import { isOwnFolder } from '../../../../src/image/own-folder.js';
import { fakeContext, fakeFile } from '../../fake-host.js';

const images = '/img';

describe('the list of warm images', () => {
  it("when another file has a ghost's inode number by now, it does not get the ghost's warm image", () => {
    const { host, log } = fakeContext();
    const warm = new WarmImages(host.files, images, log);
    const { stat } = fakeFile();
    warm.add('ghostkeep/warm-1-1.img', stat);
    assert.equal(warm.take({ ...stat, birthtimeNs: stat.birthtimeNs + 1n }), undefined);
    assert.equal(warm.take(stat), 'ghostkeep/warm-1-1.img');
    assert.equal(warm.take(stat), undefined, 'it is taken once');
  });

  it('when a file has the name of the working folder, it does not count as our folder', () => {
    const context = fakeContext();
    context.host.files.put(`${images}/ghostkeep`, 'a file');
    assert.equal(isOwnFolder(context, images), false);
  });
});

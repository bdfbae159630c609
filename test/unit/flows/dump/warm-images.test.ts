import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WarmImages } from '../../../../src/flows/dump/warm-images.js';
import { isOwnFolder } from '../../../../src/image/own-folder.js';
import { fakeContext, fakeFile } from '../../fake-host.js';

const images = '/img';

describe('images from before the freeze', () => {
  it('when a number is another file by now, its image is not taken for that one', () => {
    const { host, log } = fakeContext();
    const warm = new WarmImages(host.files, images, log);
    const { stat } = fakeFile();
    warm.add('ghostkeep/warm-1-1.img', stat);
    assert.equal(warm.take({ ...stat, birthtimeNs: stat.birthtimeNs + 1n }), undefined);
    assert.equal(warm.take(stat), 'ghostkeep/warm-1-1.img');
    assert.equal(warm.take(stat), undefined, 'it is taken once');
  });

  it('when what bears the name of the folder is a file, it is no folder of ours', () => {
    const context = fakeContext();
    context.host.files.put(`${images}/ghostkeep`, 'a file');
    assert.equal(isOwnFolder(context, images), false);
  });
});

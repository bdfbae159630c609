import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { joinImage, magic, splitImage } from '../../../src/criu/frame.js';
import { ghostkeepError } from '../expect.js';

const image = joinImage(magic.FILES, [Buffer.from('one'), Buffer.alloc(0), Buffer.from('three')]);
const invalid = (...named: string[]) => ghostkeepError('CRIU_IMAGE_INVALID', 'files.img', ...named);

describe('framing', () => {
  it('when entries are joined, the bytes are those that CRIU writes', () => {
    assert.equal(
      image.toString('hex'),
      ['19435654', '38313056', '03000000', '6f6e65', '00000000', '05000000', '7468726565'].join(''),
    );
  });

  it('when an image is split, its entries come back', () => {
    assert.deepEqual(splitImage(image, magic.FILES, 'files.img').map(String), ['one', '', 'three']);
    assert.deepEqual(splitImage(joinImage(magic.FILES, []), magic.FILES, 'files.img'), []);
  });

  it('when an image does not end between two entries, it is refused', () => {
    const whole = new Set([8, 15, 19, image.length]);
    for (let length = 0; length <= image.length; length += 1) {
      const split = () => splitImage(image.subarray(0, length), magic.FILES, 'files.img');
      if (whole.has(length)) split();
      else assert.throws(split, invalid(), `of ${length} bytes`);
    }
  });

  it("when an entry's length goes past the end of the image, the error gives the entry's offset", () => {
    const huge = Buffer.concat([image, Buffer.from([0xff, 0xff, 0xff, 0xff, 0])]);
    assert.throws(() => splitImage(huge, magic.FILES, 'files.img'), invalid(`at ${image.length}`));
  });

  it('when a magic number is wrong, the image is refused', () => {
    for (let at = 0; at < 8; at += 1) {
      const wrong = Buffer.from(image);
      wrong[at] = (wrong[at] as number) ^ 1;
      assert.throws(() => splitImage(wrong, magic.FILES, 'files.img'), invalid('magic'));
    }
    assert.throws(() => splitImage(image, magic.CGROUP, 'files.img'), invalid('magic'));
  });
});

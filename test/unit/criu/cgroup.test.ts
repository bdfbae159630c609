import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { thawCgroups } from '../../../src/criu/cgroup.js';
import { joinImage, magic } from '../../../src/criu/frame.js';
import { ghostkeepError } from '../expect.js';
import { property } from './images.js';
import { bytes, fixed32, lengthOf, message, varint } from './wire.js';

const image = (...dirs: Buffer[]) =>
  joinImage(magic.CGROUP, [
    Buffer.concat([message(2, bytes(1, 'unified'), ...dirs, varint(9, 1)), message(1, varint(1, 1))]),
  ]);
/** dirs is field 2 of a controller, children field 2 of a dir. */
const dir = (name: string, ...parts: Buffer[]) => message(2, bytes(1, name), ...parts);

describe('thawCgroups', () => {
  it('when a nested cgroup is frozen, its state becomes the running one and all other bytes stay', () => {
    const build = (freeze: string, state: string) =>
      image(
        dir(
          'web',
          dir('inner', property('cgroup.freeze', freeze), varint(20, 4)),
          property('memory.max', 'max\n'),
          property('freezer.state', state, fixed32(9, 1)),
          bytes(4, 'dir_perms'),
        ),
      );
    assert.deepEqual(thawCgroups(build('1', 'FROZEN')), build('0', 'THAWED'));
  });

  it('when every cgroup is already running, no byte changes', () => {
    for (const value of ['0', '0\n', ' 0'])
      assert.equal(thawCgroups(image(dir('web', property('cgroup.freeze', value)))), undefined);
    assert.equal(thawCgroups(image(dir('web', property('freezer.state', 'THAWED')))), undefined);
    assert.equal(thawCgroups(image()), undefined);
    assert.equal(thawCgroups(joinImage(magic.CGROUP, [])), undefined);
  });

  it('when the frozen value is longer than the running one, spaces fill its place', () => {
    const build = (freeze: string, state: string) =>
      image(dir('web', property('cgroup.freeze', freeze), property('freezer.state', state)));
    assert.deepEqual(thawCgroups(build('1\n', 'FREEZING')), build('0 ', 'THAWED  '));
  });

  it('when a frozen cgroup lies as deep as a path can, its state becomes the running one', () => {
    const build = (freeze: string) => {
      let inner = property('cgroup.freeze', freeze);
      for (let level = 0; level < 2_048; level += 1) inner = dir('d', inner);
      return image(inner);
    };
    assert.deepEqual(thawCgroups(build('1')), build('0'));
  });

  it('when the length of a field passes the end of its message, the image is refused', () => {
    const frozen = property('cgroup.freeze', '1');
    for (const inner of [lengthOf(1, 40), lengthOf(3, 40), lengthOf(9, 40), fixed32(9, 1).subarray(0, 2)])
      assert.throws(
        () => thawCgroups(image(message(2, inner), ...Array.from({ length: 9 }, () => frozen))),
        ghostkeepError('CRIU_IMAGE_INVALID', 'cgroup.img', 'ends at'),
      );
  });

  it('when an image has been thawed, thawing it again changes no byte', () => {
    const thawed = thawCgroups(image(dir('web', property('cgroup.freeze', '1'))));
    assert.ok(thawed);
    assert.equal(thawCgroups(thawed), undefined);
  });

  it('when the image is cut off or nested too deep, it is refused', () => {
    const whole = image(dir('web', property('cgroup.freeze', '1')));
    for (let length = 0; length < whole.length; length += 1)
      if (length !== 8)
        assert.throws(
          () => thawCgroups(whole.subarray(0, length)),
          ghostkeepError('CRIU_IMAGE_INVALID', 'cgroup.img'),
        );
    // The levels are built from the inside out: each header needs only the length of its content.
    const parts = [property('cgroup.freeze', '1')];
    let length = parts[0]?.length ?? 0;
    for (let level = 0; level < 20_000; level += 1) {
      const header = bytes(1, 'd');
      const opening = Buffer.concat([lengthOf(2, length + header.length), header]);
      parts.push(opening);
      length += opening.length;
    }
    const deep = Buffer.concat(parts.reverse());
    assert.throws(() => thawCgroups(image(deep)), ghostkeepError('CRIU_IMAGE_INVALID', 'cgroup.img'));
  });
});

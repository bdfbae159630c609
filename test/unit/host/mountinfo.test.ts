import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../src/base/units.js';
import { parseMountinfo } from '../../../src/host/mountinfo.js';
import { fixture } from '../fixture.js';

describe('parseMountinfo', () => {
  const mounts = parseMountinfo(fixture('odd-names/mountinfo'));
  const byId = (id: number) => mounts.find(mount => mount.id === id);

  it('when lines have any number of optional fields, each is read', () => {
    assert.deepEqual(
      mounts.map(({ id, filesystem, readOnly }) => [id, filesystem, readOnly]),
      [
        [22, 'overlay', false],
        [30, 'ext4', false],
        [31, 'tmpfs', true],
        [4096, 'nfs4', false],
        [33, 'fuse.sshfs', true],
      ],
    );
  });

  it('when mounts lie on others, each names its parent', () => {
    assert.deepEqual(
      mounts.map(({ id, parent }) => [id, parent]),
      [
        [22, 1],
        [30, 22],
        [31, 22],
        [4096, 22],
        [33, 22],
      ],
    );
  });

  it('when a mount point has escapes, they are bytes again', () => {
    assert.deepEqual(byId(30)?.mountPoint, Buffer.from('/data with space'));
    assert.deepEqual(byId(31)?.mountPoint, Buffer.from('/tab\tnew\nline\\back'));
  });

  it('when a mount point is not UTF-8, its bytes stay', () => {
    assert.deepEqual(byId(33)?.mountPoint, Buffer.from([0x2f, 0x62, 0xff, 0xc3, 0x72]));
  });

  it('when a device has a large major and minor, it is what stat would say', () => {
    assert.equal(byId(4096)?.dev, makeDev(4095n, 1048575n));
    assert.equal(byId(30)?.dev, 0x801n);
  });

  it('when the last line is cut off, or there is none, it is left out', () => {
    assert.equal(byId(34), undefined);
    assert.deepEqual(parseMountinfo(Buffer.alloc(0)), []);
    assert.deepEqual(parseMountinfo(Buffer.from('a b c\n - \n1 2 x:y / / rw - a b c\n')), []);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { hidingOption, parseMountinfo } from '../../../../src/host/proc/mountinfo.js';
import { fixture } from '../../fixture.js';

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

  it("when mounts lie on others, each has its parent's id", () => {
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

  it('when a mount point has octal escapes, they become bytes', () => {
    assert.deepEqual(byId(30)?.mountPoint, Buffer.from('/data with space'));
    assert.deepEqual(byId(31)?.mountPoint, Buffer.from('/tab\tnew\nline\\back'));
  });

  it('when a mount point is not UTF-8, its bytes stay', () => {
    assert.deepEqual(byId(33)?.mountPoint, Buffer.from([0x2f, 0x62, 0xff, 0xc3, 0x72]));
  });

  it('when a device has a large major and minor, its number is the one that stat(2) shows', () => {
    assert.equal(byId(4096)?.dev, makeDev(4095n, 1048575n));
    assert.equal(byId(30)?.dev, 0x801n);
  });

  it('when the source of a bind mount was removed, the mount says so; a root whose name only ends alike does not', () => {
    const roots = (field: string) => {
      const [mount] = parseMountinfo(Buffer.from(`40 1 8:1 ${field} /m rw - ext4 /dev/sda1 rw\n`));
      return [String(mount?.root), mount?.rootGone ?? false];
    };
    assert.deepEqual(roots('/vol'), ['/vol', false]);
    assert.deepEqual(roots('/vol//deleted'), ['/vol', true]);
    assert.deepEqual(roots('/vol/deleted'), ['/vol/deleted', false]);
    assert.deepEqual(roots('/vol\\040(deleted)'), ['/vol (deleted)', false]);
    assert.deepEqual(roots('/vol\\040(deleted)//deleted'), ['/vol (deleted)', true]);
    assert.deepEqual(roots('/deleted'), ['/deleted', false]);
  });

  it('when a mount is an overlay, its upper layer is read, whatever characters its name has', () => {
    const upper = (options: string) =>
      parseMountinfo(Buffer.from(`40 1 0:50 / /m rw - overlay overlay ${options}\n`))[0]?.upper?.toString();
    assert.equal(upper('rw,lowerdir=/l1:/l2,upperdir=/c/diff,workdir=/c/work'), '/c/diff');
    assert.equal(upper('rw,lowerdir=/l\\054upperdir=/x,upperdir=/a\\040b\\054c,workdir=/w'), '/a b,c');
    assert.equal(upper('ro,lowerdir=/l1:/l2'), undefined);
  });

  it('when a line is cut off or cannot be parsed, it is left out', () => {
    assert.equal(byId(34), undefined);
    assert.deepEqual(parseMountinfo(Buffer.alloc(0)), []);
    assert.deepEqual(parseMountinfo(Buffer.from('a b c\n - \n1 2 x:y / / rw - a b c\n')), []);
  });
});

describe('hidingOption', () => {
  const proc = (options: string) => `23 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw,${options}\n`;
  const other = '24 28 0:22 / /other rw - proc proc rw,hidepid=2\n';

  it('when /proc hides processes from us, hidingOption gives the mount option that hides them', () => {
    for (const option of ['hidepid=2', 'hidepid=4', 'hidepid=invisible', 'hidepid=ptraceable'])
      assert.equal(
        hidingOption(proc(`gid=5,${option}`), () => false),
        option,
      );
  });

  it('when /proc hides nothing, we may see everything, or the mount is another one, hidingOption gives nothing', () => {
    for (const text of [proc('relatime'), proc('hidepid=1'), proc('hidepid=noaccess'), other, ''])
      assert.equal(
        hidingOption(text, () => false),
        undefined,
        text,
      );
    assert.equal(
      hidingOption(proc('hidepid=2'), () => true),
      undefined,
    );
  });
});

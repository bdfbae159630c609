import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  hardLinks,
  isFuse,
  isInMemory,
  isMemoryMagic,
  isSillyName,
  isSillyNameOn,
  keepsNames,
  mayHaveServer,
} from '../../../src/base/filesystems.js';

const [nfs, fuse, kafs, openafs, cifs, ext4] = [
  0x6969n,
  0x65735546n,
  0x6b414653n,
  0x5346414fn,
  0xff534d42n,
  0xef53n,
] as const;

describe('the table of file systems', () => {
  it('when a file system is on this host, it has no server; an unknown one may have a server', () => {
    const asked = (names: string) => names.split(' ').filter(mayHaveServer);
    assert.deepEqual(asked('ext4 xfs zfs tmpfs overlay aufs squashfs proc fusectl hugetlbfs exfat'), []);
    const far = 'nfs4 cifs 9p virtiofs ceph fuse fuseblk fuse.sshfs new';
    assert.deepEqual(asked(far), far.split(' '));
  });

  it('when a file has a name that servers give to removed files, it counts only on the file systems that give such names', () => {
    const names: [string, bigint, string][] = [
      ['.nfs000000000000000200000001', nfs, 'nfs4'],
      ['.fuse_hidden0000000200000001', fuse, 'fuse.sshfs'],
      ['.fuse_hidden000000020000000100000003', fuse, 'fuse'],
      ['.ghost-ntfs-3g-00000000000000000001', fuse, 'fuseblk'],
      ['.__afs0A3F', kafs, 'afs'],
      ['.__afs7', openafs, 'afs'],
      ['.__smbfile_silly1', cifs, 'smb3'],
    ];
    for (const [name, magic, filesystem] of names) {
      const path = Buffer.from(`/srv/${name}`);
      assert.ok(isSillyName(path, magic), name);
      assert.ok(isSillyNameOn(path, filesystem), name);
      assert.ok(!isSillyName(path, ext4), name);
      assert.ok(!isSillyName(path, magic === nfs ? fuse : nfs), name);
      for (const other of ['ext4', 'overlay', 'fusectl', ''])
        assert.ok(!isSillyNameOn(path, other), `${name} on ${other}`);
      assert.ok(!isSillyName(Buffer.from(`/srv/${name}/x`), magic), name);
    }
  });

  it("when a name only resembles one that servers give to removed files, it counts as a user's own name", () => {
    for (const name of [
      '.fuse_hidden',
      '.fuse_hidden00000002',
      '.fuse_hiddenx000000200000001',
      'a.fuse_hidden0000000200000001',
    ])
      assert.ok(!isSillyName(Buffer.from(`/srv/${name}`), fuse), name);
    for (const name of ['.__afs', '.__afsX', '.__afs123456789'])
      assert.ok(!isSillyName(Buffer.from(`/srv/${name}`), kafs), name);
  });

  it('when a file system is a known local disk, names stay there; on all others they may go', () => {
    for (const filesystem of ['ext4', 'xfs', 'btrfs', 'f2fs', 'zfs'])
      assert.ok(keepsNames(filesystem), filesystem);
    for (const filesystem of [
      ...[
        'tmpfs',
        'ramfs',
        'overlay',
        'nfs',
        'nfs4',
        'cifs',
        'smb3',
        'smbfs',
        'afs',
        '9p',
        'ceph',
        'virtiofs',
      ],
      ...['fuse', 'fuse.sshfs', 'fuseblk', 'fuseblk.ntfs', 'nobody-knows', 'toString', ''],
    ])
      assert.ok(!keepsNames(filesystem), filesystem);
  });

  it('only tmpfs and ramfs count as memory, by name and by statfs type', () => {
    assert.ok(isInMemory('tmpfs') && isInMemory('ramfs') && !isInMemory('ext4') && !isInMemory('fuse'));
    assert.ok(isMemoryMagic(0x01021994n) && isMemoryMagic(0x858458f6n));
    for (const magic of [nfs, fuse, cifs, ext4, 0n]) assert.ok(!isMemoryMagic(magic), String(magic));
  });

  it('every type that begins with fuse is FUSE, except its control file system and names that only resemble it', () => {
    assert.deepEqual(['fuse', 'fuseblk', 'fuse.s3fs', 'fusectl', 'fuser'].map(isFuse), [
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('when a file system cannot make hard links the answer is never, and when its server decides it is perhaps', () => {
    for (const filesystem of ['vfat', 'exfat', 'msdos']) assert.equal(hardLinks(filesystem), 'never');
    for (const filesystem of ['fuse.s3fs', '9p', 'cifs', 'smb3'])
      assert.equal(hardLinks(filesystem), 'perhaps');
    for (const filesystem of ['ext4', 'fuse.sshfs', 'nfs4', 'nobody-knows'])
      assert.equal(hardLinks(filesystem), 'always');
  });
});

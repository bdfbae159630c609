import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest, ManifestGhost } from '../../../src/base/documents/generated/manifest.js';
import { readManifest } from '../../../src/image/manifest.js';
import { aManifest, aManifestGhost } from '../a-manifest.js';
import { ghostkeepError } from '../expect.js';
import { fakeHost } from '../fake-host.js';

function read(manifest: Manifest): Manifest {
  const { files } = fakeHost();
  files.put('/img/ghostkeep-manifest.json', JSON.stringify(manifest));
  return readManifest(files, '/img');
}
const withGhost = (values: Partial<ManifestGhost>) => aManifest({ ghosts: [aManifestGhost(values)] });
const bytes = (text: string) => Buffer.from(text, 'latin1').toString('base64');
const group = (name: string, values = {}) => ({
  linked: {
    mountPoint: { path: '/dev/shm' },
    names: [{ path: 'a', pathBytes: bytes(name) }],
    hostUid: 0,
    hostGid: 0,
    ...values,
  },
});

describe('reading a manifest', () => {
  it('when every text in a manifest can be decoded, the manifest is accepted', () => {
    const ghost = aManifestGhost({
      pathBytes: bytes('/\xff'),
      xattrs: { 'user.\udcff': bytes('\0'), 'security.capability': '' },
      atime: '-9223372036854775808.999999999',
      mtime: '9223372036854775807.000000000',
      dev: '4294967295:4294967295',
      uid: 4294967294,
      ...group('b/c..'),
    });
    assert.deepEqual(read(aManifest({ ghosts: [ghost] })).ghosts, [ghost]);
  });

  const refused: [string, Partial<ManifestGhost>][] = [
    ['an xattr whose low bytes are another name', { xattrs: { '\u0173ecurity.capability\u0100\udc80': '' } }],
    ['an xattr with a NUL', { xattrs: { 'user.a\0': '' } }],
    ['a value that is no base64', { xattrs: { 'user.a': 'AAA=AAA=' } }],
    ['a path with a NUL', { pathBytes: bytes('/a\0b') }],
    ['a path with a lone surrogate', { path: '/\udcff' }],
    [
      'a name that files.img shall get, with a NUL',
      { paths: [{ key: 'file[1:1]', mount: 1, path: '/\u0000' }] },
    ],
    ['a time that no time_t can hold', { mtime: '9223372036854775808.000000000' }],
    ['a time with more digits than any', { atime: `${'9'.repeat(400)}.000000000` }],
    ['a device with 33 bits', { dev: '4294967296:1' }],
    ['a device of CRIU with 33 bits', { physicalDev: '8:4294967296' }],
    ['a mode with bits beyond st_mode', { mode: 2 ** 32 + 0o104755 }],
    ['the owner that chown takes for no change', { uid: 4294967295 }],
    ['the group that chown takes for no change', { gid: 4294967295 }],
    ['an owner on the host that chown takes for no change', group('a', { hostUid: 4294967295 })],
    ['a linked name with a NUL before its slash', group('a\0/../b')],
    ['a linked name that climbs', group('../../etc/cron.d/x')],
    ['a linked name that ends in two dots', group('a/..')],
    ['an absolute linked name', group('/etc/x')],
    ['an empty linked name', group('')],
    ['a folder that climbs', group('a', { folders: [{ path: '..', mode: 0, hostUid: 0, hostGid: 0 }] })],
    [
      'a folder whose owner chown takes for no change',
      group('a', { folders: [{ path: 'b', mode: 0, hostUid: 4294967295, hostGid: 0 }] }),
    ],
    ['a mount point with a NUL', group('a', { mountPoint: { path: '/dev/shm\0' } })],
  ];
  for (const [what, values] of refused)
    it(`when a manifest has ${what}, the whole manifest is refused`, () => {
      assert.throws(() => read(withGhost(values)), ghostkeepError('MANIFEST_INVALID', /ghosts.0/));
    });

  it('when the path of a link or the inventory is not base64, the manifest is refused', () => {
    const links = [{ key: 'file[1:1]', mount: 1, path: '/a', pathBytes: '*' }];
    assert.throws(() => read(aManifest({ links })), ghostkeepError('MANIFEST_INVALID', 'links'));
    const renamedFolders = [{ mount: 1, was: { path: '/a' }, as: { path: '/b', pathBytes: '*' } }];
    assert.throws(
      () => read(aManifest({ renamedFolders })),
      ghostkeepError('MANIFEST_INVALID', 'renamedFolders'),
    );
    assert.throws(() => read(aManifest({ inventory: '*' })), ghostkeepError('MANIFEST_INVALID', 'inventory'));
  });
});
